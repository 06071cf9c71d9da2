// What an answer of DNS says of servers (RFC 2782). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace hairpin::discovery {

struct SrvRecord {
    std::string target;  // a domain name
    uint16_t port = 0;
    uint16_t priority = 0;
    uint16_t weight = 0;

    bool operator==(const SrvRecord&) const = default;
};

struct SrvAnswer {
    std::vector<SrvRecord> records;  // in the order of the message; empty too where it says that there is no server
    std::chrono::seconds ttl{0};     // of all that the answer rests on, aliases too
};

// Reads a message as it came over the wire (RFC 1035 4.1). An error: it is malformed.
Result<SrvAnswer> parse_srv_answer(std::span<const uint8_t> message);

}  // namespace hairpin::discovery
