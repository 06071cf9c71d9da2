#include "support/random_services.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/translate.h"
#include "model/validate.h"

namespace hairpin {
namespace {

constexpr int server_ports = 3;
constexpr uint16_t first_server_port = 7000;
constexpr auto backend_addresses =
    std::to_array<std::string_view>({"10.0.0.2", "10.0.0.3", "10.0.5.2", "fd00::2", "fd00::3"});
constexpr auto listen_addresses =
    std::to_array<std::string_view>({"1.0.0.1", "2001:db8::1", "10.0.0.1", "fd00::1", "0.0.0.0", "::"});

// Most of them hold one of the clients that tests have, or the neighbours of one.
constexpr auto client_prefixes = std::to_array<std::string_view>(
    {"0.0.0.0/0", "1.0.0.0/24", "1.0.0.100", "8.0.0.0/7", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.2/31", "10.0.0.2",
     "10.0.0.50", "10.0.1.0/24", "::/0", "2001:db8::/64", "2001:db8::/32", "fd00::/64", "fd00::2", "fd00::50/124"});

PortRange range(size_t first, size_t size) {
    return {static_cast<uint16_t>(first), static_cast<uint16_t>(first + size - 1)};
}

bool is_served(const Engine& engine, const std::vector<Service>& services, const Topology& topology) {
    if (!validate(services, &topology).empty()) return false;
    return std::ranges::none_of(engine.gaps(Ruleset(services)), &Gap::fatal);
}

}  // namespace

Ip RandomServices::one_of(std::span<const std::string_view> addresses) {
    return *Ip::parse(addresses[below(addresses.size())]);
}

PrefixList RandomServices::clients() {
    std::vector<Prefix> prefixes;
    for (size_t i = below(4); i < 4; ++i)
        prefixes.push_back(*Prefix::parse(client_prefixes[below(client_prefixes.size())]));
    return PrefixList(prefixes);
}

Service RandomServices::service(size_t number) {
    Service made;
    made.name = fmt::format("s{}", number);
    made.protocols = static_cast<Protocols>(below(3));
    made.source = static_cast<SourcePolicy>(below(names_of<SourcePolicy>.size()));
    if (made.source == SourcePolicy::map) {
        made.source_map = {*Prefix::parse("10.99.0.0/24")};
        if (below(2)) made.source_map.push_back(*Prefix::parse("fd99::/64"));
    }
    made.balance = static_cast<Balance>(below(names_of<Balance>.size()));
    if (below(2) == 0) made.self = static_cast<SelfPolicy>(below(names_of<SelfPolicy>.size()));
    if (below(4) == 0) made.allow = clients();
    if (below(4) == 0) made.deny = clients();
    const size_t ports = 1 + below(server_ports);
    for (size_t i = below(2); i < 2; ++i) {
        made.listen.push_back({one_of(listen_addresses), range(1000 + 10 * below(20) + below(5), ports)});
    }
    for (size_t i = below(3); i < 3; ++i) {
        const size_t first = first_server_port + below(server_ports + 1 - ports);
        const auto weight = static_cast<uint32_t>(below(3) ? 1 : below(4));
        made.backends.push_back({{one_of(backend_addresses), range(first, ports)}, weight});
    }
    return made;
}

bool is_kept_out(const Ruleset& ruleset, const Topology& topology, const Leg& client, Abilities abilities) {
    return find_asked(ruleset, topology, client.protocol, client.destination) &&
           slots_for(ruleset, topology, client, abilities).empty();
}

std::vector<Service> RandomServices::some(const Engine& engine, const Topology& topology) {
    std::vector<Service> services;
    for (size_t number = 0; services.size() < 6 && number < 100; ++number) {
        services.push_back(service(number));
        if (!is_served(engine, services, topology)) services.pop_back();
    }
    return services;
}

}  // namespace hairpin
