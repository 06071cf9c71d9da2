#include "model/listen_links.h"

#include <algorithm>

namespace hairpin {

std::vector<Ip> addresses_of(const Topology& topology, std::string_view link) {
    std::vector<Ip> addresses;
    const auto named = std::ranges::find(topology.links(), link, &Link::name);
    if (named == topology.links().end()) return addresses;
    for (const Address& address : topology.addresses()) {
        if (address.link == named->index && !address.ip.is_link_local()) addresses.push_back(address.ip);
    }
    std::ranges::sort(addresses);
    return addresses;
}

std::vector<Service> follow_links(std::vector<Service> services, const Topology& topology) {
    for (Service& service : services) {
        service.listen.resize(service.listen.size() - service.followed.size());
        service.followed.clear();
        for (size_t i = 0; i < service.listen_links.size(); ++i) {
            const LinkListen& on = service.listen_links[i];
            for (const Ip& ip : addresses_of(topology, on.link)) {
                const EndpointRange endpoint{ip, on.ports};
                if (std::ranges::count(service.listen, endpoint) > 0) continue;  // written out, too
                service.listen.push_back(endpoint);
                service.followed.push_back(i);
            }
        }
    }
    return services;
}

std::vector<std::string> links_listened_on(std::span<const Service> services) {
    std::vector<std::string> links;
    for (const Service& service : services) {
        for (const LinkListen& on : service.listen_links) links.push_back(on.link);
    }
    std::ranges::sort(links);
    links.erase(std::unique(links.begin(), links.end()), links.end());
    return links;
}

}  // namespace hairpin
