#include "daemon/link_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "model/listen_links.h"

namespace hairpin {
namespace {

std::string text(const std::vector<Ip>& addresses) {
    std::vector<std::string> texts;
    texts.reserve(addresses.size());
    for (const Ip& ip : addresses) texts.push_back(ip.str());
    return fmt::format("{}", fmt::join(texts, ", "));
}

Event without_address(const std::string& link, const Topology& now) {
    const bool is_up = std::ranges::count(now.links(), link, &Link::name) > 0;
    return {Event::Level::warning,
            fmt::format("link {} {}", link,
                        is_up ? "has no address: what listens there is served as soon as it has one"
                              : "is not there, or down: what listens there is served as soon as it has an address")};
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
            std::vector<Ip> gone;
            std::ranges::set_difference(earlier, addresses, std::back_inserter(gone));
            events.push_back(
                {Event::Level::info, fmt::format("link {}: what listens there is now served at {}{}", link,
                                                 text(addresses), gone.empty() ? "" : ", no longer at " + text(gone))});
        }
    }
    return events;
}

}  // namespace hairpin
