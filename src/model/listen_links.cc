#include "model/listen_links.h"

#include <algorithm>

namespace hairpin {
namespace {

size_t first_followed(const Service& service) { return service.listen.size() - service.followed.size(); }

}  // namespace

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
        service.listen.resize(first_followed(service));
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

Place as_written(const Service& service, Place place) {
    if (place.key != Place::Key::listen || place.index < first_followed(service)) return place;
    return {place.service, Place::Key::listen_links, service.followed[place.index - first_followed(service)]};
}

bool is_about_link(std::span<const Service> services, const Problem& problem) {
    return as_written(services[problem.place.service], problem.place) != problem.place;
}

std::vector<Service> services_at(std::vector<Service> services, const Topology& topology) {
    if (links_listened_on(services).empty()) return services;
    services = follow_links(std::move(services), topology);
    std::vector<Place> places;
    for (const Problem& problem : validate(services, &topology)) {
        if (is_about_link(services, problem)) places.push_back(problem.place);
    }
    std::ranges::sort(places, std::greater());  // from the back: what stands before keeps its index
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (const Place& place : places) {
        Service& service = services[place.service];
        const size_t followed = place.index - first_followed(service);
        service.listen.erase(service.listen.begin() + static_cast<ptrdiff_t>(place.index));
        service.followed.erase(service.followed.begin() + static_cast<ptrdiff_t>(followed));
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
