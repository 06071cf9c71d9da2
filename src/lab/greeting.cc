#include "lab/greeting.h"

#include <sstream>

namespace hairpin::lab {

std::string Greeting::str() const {
    std::string line =
        host + " " + std::string(name(leg.protocol)) + " " + leg.destination.str() + " saw " + leg.source.str();
    if (header) {
        line += " announced " + std::string(name(header->version)) + " " + header->source.str() + " " +
                header->destination.str();
    }
    return line;
}

Result<Greeting> Greeting::parse(std::string_view line) {
    const Error wrong{"'" + std::string(line) + "' is not what a server of the lab answers"};
    std::istringstream words{std::string(line)};
    std::string host, protocol, destination, saw, source, announced, version, from, to;
    words >> host >> protocol >> destination >> saw >> source;
    if (!words || saw != "saw") return wrong;
    const auto known = from_name<Protocol>(protocol);
    const auto to_backend = Endpoint::parse(destination);
    const auto seen = Endpoint::parse(source);
    if (!known || !to_backend || !seen) return wrong;
    Greeting greeting{host, {*known, *seen, *to_backend}, std::nullopt};
    if (words >> announced) {
        words >> version >> from >> to;
        const auto header = from_name<ProxyHeader>(version);
        const auto announced_source = Endpoint::parse(from);
        const auto announced_destination = Endpoint::parse(to);
        if (announced != "announced" || !header || !announced_source || !announced_destination) return wrong;
        greeting.header = Proxied{*header, *known, *announced_source, *announced_destination, 0};
    }
    return greeting;
}

}  // namespace hairpin::lab
