#include "daemon/link_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "model/listen_links.h"

namespace hairpin {
namespace {

std::vector<std::string> texts_of(const std::vector<Ip>& addresses) {
    std::vector<std::string> texts;
    texts.reserve(addresses.size());
    for (const Ip& ip : addresses) texts.push_back(ip.str());
    return texts;
}

Event without_address(const std::string& link, const Topology& now) {
    const bool is_up = std::ranges::count(now.links(), link, &Link::name) > 0;
    return {.kind = EventKind::link_unserved,
            .level = Event::Level::warning,
            .message =
                fmt::format("link {} {}", link,
                            is_up ? "has no address: what listens there is served as soon as it has one"
                                  : "is not there, or down: what listens there is served as soon as it has an address"),
            .link = link};
}

Event with_addresses(const std::string& link, const std::vector<Ip>& before, const std::vector<Ip>& now) {
    std::vector<Ip> gone;
    std::ranges::set_difference(before, now, std::back_inserter(gone));
    std::vector<std::string> texts = texts_of(now);
    std::string message = fmt::format("link {}: what listens there is now served at {}", link, fmt::join(texts, ", "));
    if (!gone.empty()) message += fmt::format(", no longer at {}", fmt::join(texts_of(gone), ", "));
    return {.kind = EventKind::link_served, .message = std::move(message), .link = link, .addresses = std::move(texts)};
}

}  // namespace

std::vector<Event> link_events(std::span<const Service> services, const Topology* before, const Topology& now) {
    std::vector<Event> events;
    const auto links = links_listened_on(services);
    if (links.empty()) return events;
    for (const std::string& link : links) {
        const auto addresses = addresses_of(now, link);
        const auto earlier = before ? addresses_of(*before, link) : addresses;
        if (before && addresses == earlier) continue;
        if (addresses.empty()) {
            events.push_back(without_address(link, now));
        } else if (before) {
            events.push_back(with_addresses(link, earlier, addresses));
        }
    }
    return events;
}

}  // namespace hairpin
