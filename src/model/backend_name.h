// Backends that are named rather than written out: app.lan:8080, or the servers of an SRV record.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/ip.h"

namespace hairpin {

inline constexpr uint32_t most_weight = 256;

// What DNS is asked: a name, and whether for its addresses (A, AAAA) or for its servers (SRV, RFC 2782).
struct Question {
    std::string name;
    bool srv = false;

    auto operator<=>(const Question&) const = default;
};

// One of the answers.
struct Server {
    std::string host;  // whose address this is: the name itself, or the target of an SRV record
    Ip ip;
    uint16_t port = 0;      // of an SRV record, as what follows
    uint16_t priority = 0;  // the lowest comes first
    uint16_t weight = 0;

    auto operator<=>(const Server&) const = default;
};

// Each one sorted, for DNS gives them in any order.
using Answers = std::map<Question, std::vector<Server>>;

struct BackendName {
    std::string name;
    std::optional<PortRange> ports;  // nothing: SRV records say which, and the weights
    uint32_t weight = 1;             // of each address
    bool backup = false;

    static Result<BackendName> parse(std::string_view text);      // "app.lan:8080"
    static Result<BackendName> parse_srv(std::string_view text);  // "_http._tcp.app.lan"
    // Whether the text is meant as NAME:PORT, and not as an endpoint: what stands before the colon holds a letter.
    static bool is_meant(std::string_view text);
    Question question() const { return {name, !ports}; }
    std::string str() const;  // "app.lan:8080", "SRV _http._tcp.app.lan"

    bool operator==(const BackendName&) const = default;
};

}  // namespace hairpin
