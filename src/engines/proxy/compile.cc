#include "engines/proxy/compile.h"

#include <algorithm>
#include <tuple>

#include "model/slots.h"

namespace hairpin::proxy {

std::vector<Listen> compile(const Ruleset& ruleset) {
    std::vector<Listen> listens;
    for (const Service& service : ruleset.services()) {
        const auto slots = std::make_shared<const Slots>(slots_of(service));
        for (const EndpointRange& range : service.listen) {
            const bool shared = range.ports.size() <= shared_range_limit;
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                if (!includes(service.protocols, protocol)) continue;
                for (int port = range.ports.first; port <= range.ports.last; ++port) {
                    const Endpoint endpoint = {range.ip, static_cast<uint16_t>(port)};
                    listens.push_back({protocol, endpoint, shared, &service, slots});
                }
            }
        }
    }
    std::ranges::sort(listens, {}, [](const Listen& l) { return std::tuple(l.protocol, l.endpoint); });
    return listens;
}

}  // namespace hairpin::proxy
