#include "model/service.h"

#include <algorithm>
#include <tuple>

#include "model/url.h"

namespace hairpin {

bool expects_header(const Service& service, const Ip& sender) {
    return std::ranges::any_of(service.accept_proxy_from, [&](const Prefix& from) { return from.contains(sender); });
}

bool treats_alike(const Service& one, const Service& other) {
    const auto rules = [](const Service& service) {
        return std::tie(service.source, service.source_map, service.self, service.send_proxy, service.accept_proxy_from,
                        service.idle_timeout);
    };
    return rules(one) == rules(other);
}

// IFNAMSIZ with its end, and what dev_valid_name() of the kernel refuses. An IPv6 address has several colons. The names
// of VLANs, as eth0.100, have their number behind a dot; names of hosts have letters there.
bool LinkListen::is_meant(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view link = text.substr(0, colon);
    const auto is_letter = [](char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); };
    return colon != text.npos && colon == text.rfind(':') && !is_url(text) && link.size() < 16 &&
           !link.starts_with('[') && std::ranges::any_of(link, is_letter) && link.find_first_of("/ ") == link.npos &&
           link != "localhost" && std::ranges::none_of(link.substr(std::min(link.find('.'), link.size())), is_letter);
}

Result<LinkListen> LinkListen::parse(std::string_view text) {
    if (!is_meant(text)) return Error{"'" + std::string(text) + "' names no link: write LINK:PORT, such as eth0:5432"};
    const size_t colon = text.find(':');
    const auto ports = PortRange::parse(text.substr(colon + 1));
    if (!ports) return ports.error();
    return LinkListen{std::string(text.substr(0, colon)), *ports};
}

std::string LinkListen::str() const { return link + ":" + ports.str(); }

}  // namespace hairpin
