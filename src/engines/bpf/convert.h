// The model's values in the form that the kernel's half has them, and back.
#pragma once

#include "engines/bpf/wire.h"
#include "model/flow.h"

namespace hairpin::bpf {

hp_address to_wire(const Ip& ip);
Ip from_wire(const hp_address& address);

uint8_t to_wire(Protocol protocol);  // as in the IP header

hp_asked asked_endpoint(Protocol protocol, const Endpoint& endpoint);
Leg from_wire(const hp_tuple& tuple);
hp_tuple translated(const hp_half& half);  // how packets of this half leave

// How the answers to such packets look when they arrive: the key of the other half of a flow.
hp_tuple reversed(const hp_tuple& tuple);

}  // namespace hairpin::bpf
