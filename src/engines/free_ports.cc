#include "engines/free_ports.h"

#include <algorithm>
#include <bitset>

namespace hairpin {
namespace {

constexpr uint32_t port_count = 65536;
constexpr PortRange client_ports{32768, 65535};  // few programs listen there, for Linux gives them to clients
constexpr PortRange user_ports{1024, 65535};
constexpr int enough_ports = 8192;

// Of size 0 where there is none.
PortRange longest_free_run(const std::bitset<port_count>& taken, PortRange where) {
    PortRange longest{1, 0};
    uint32_t begin = where.first;
    for (uint32_t port = where.first; port <= uint32_t{where.last} + 1; ++port) {
        if (port <= where.last && !taken.test(port)) continue;
        if (port > begin && static_cast<int>(port - begin) > longest.size()) {
            longest = {static_cast<uint16_t>(begin), static_cast<uint16_t>(port - 1)};
        }
        begin = port + 1;
    }
    return longest;
}

}  // namespace

std::optional<PortRange> free_ports(const Ruleset& ruleset, std::span<const uint16_t> listening) {
    std::bitset<port_count> taken;
    for (const uint16_t port : listening) taken.set(port);
    for (const Service& service : ruleset.services()) {
        for (const EndpointRange& listen : service.listen) {
            for (uint32_t port = listen.ports.first; port <= listen.ports.last; ++port) taken.set(port);
        }
    }
    const PortRange usual = longest_free_run(taken, client_ports);
    if (usual.size() >= enough_ports) return usual;
    const PortRange any = longest_free_run(taken, user_ports);
    if (any.size() > 0) return any;
    return std::nullopt;
}

}  // namespace hairpin
