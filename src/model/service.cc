#include "model/service.h"

#include <algorithm>
#include <tuple>

namespace hairpin {

bool expects_header(const Service& service, const Ip& sender) {
    return std::ranges::any_of(service.accept_proxy_from, [&](const Prefix& from) { return from.contains(sender); });
}

bool treats_alike(const Service& one, const Service& other) {
    const auto rules = [](const Service& service) {
        return std::tie(service.source, service.source_map, service.send_proxy, service.accept_proxy_from,
                        service.idle_timeout);
    };
    return rules(one) == rules(other);
}

}  // namespace hairpin
