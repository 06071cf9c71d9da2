// Short spellings of model values, and the gateways that the model's tests stand on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/prefix_list.h"
#include "model/service.h"
#include "model/topology.h"

namespace hairpin {

// A spelling that does not parse ends the test with an exception: the test is wrong, not the code.
inline Ip ip(std::string_view text) { return Ip::parse(text).value(); }
inline Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }
inline Endpoint endpoint(std::string_view text) { return Endpoint::parse(text).value(); }
inline EndpointRange range(std::string_view text) { return EndpointRange::parse(text).value(); }

inline PrefixList prefixes(std::vector<std::string_view> texts) {
    std::vector<Prefix> made;
    for (const auto text : texts) made.push_back(prefix(text));
    return PrefixList(std::move(made));
}

inline Service service(std::string name, std::vector<std::string_view> listen, std::vector<std::string_view> backends,
                       Protocols protocols = Protocols::tcp) {
    Service made;
    made.name = std::move(name);
    for (const auto text : listen) made.listen.push_back(range(text));
    for (const auto text : backends) made.backends.push_back({range(text)});
    made.protocols = protocols;
    return made;
}

// Builds a topology from lines as `ip` would print them.
class GatewayNetwork {
public:
    GatewayNetwork() { link("lo").address("127.0.0.1/8").address("::1/128"); }

    // What follows is on this link.
    GatewayNetwork& link(std::string name) {
        links_.push_back({static_cast<int>(links_.size()) + 1, std::move(name)});
        return *this;
    }
    GatewayNetwork& address(std::string_view text, bool deprecated = false) {
        const size_t slash = text.find('/');
        addresses_.push_back({ip(text.substr(0, slash)), std::stoi(std::string(text.substr(slash + 1))),
                              links_.back().index, deprecated});
        return *this;
    }
    GatewayNetwork& route(std::string_view destination, std::string_view via = "", uint32_t metric = 0,
                          std::string_view source = "") {
        const auto optional = [](std::string_view text) {
            return text.empty() ? std::nullopt : std::optional(ip(text));
        };
        routes_.push_back({prefix(destination), optional(via), links_.back().index, metric, optional(source)});
        return *this;
    }

    Topology topology() const { return Topology(links_, addresses_, routes_); }

private:
    std::vector<Link> links_;
    std::vector<Address> addresses_;
    std::vector<Route> routes_;
};

// One leg outside, two inside, both families.
//
//     internet -- 1.0.0.254 --+-- ext  1.0.0.1 [gateway] 10.0.0.1  int  --+-- 10.0.0.2, 10.0.0.3
//                  1.0.0.100 -+                          10.0.1.1  int2 --+-- 10.0.1.7
inline GatewayNetwork two_legged() {
    GatewayNetwork gateway;
    gateway.link("ext").address("1.0.0.1/24").address("2001:db8::1/64").address("fe80::e/64");
    gateway.route("0.0.0.0/0", "1.0.0.254").route("::/0", "fe80::fe");
    gateway.link("int").address("10.0.0.1/24").address("fd00::1/64").address("fe80::1/64");
    gateway.link("int2").address("10.0.1.1/24").address("fd00:1::1/64").address("fe80::2/64");
    return gateway;
}

}  // namespace hairpin
