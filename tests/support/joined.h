// Datagrams that travel as one packet, as network cards join what they receive.
#pragma once

#include "support/udp.h"

namespace hairpin {

// Of `size` bytes each, the last one of what is left. Here the sender's kernel joins them, and the link passes that on.
void send_joined(const UdpSocket& from, const Endpoint& to, const std::string& bytes, uint16_t size);

}  // namespace hairpin
