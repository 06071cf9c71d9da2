#include "model/backend_name.h"

#include <algorithm>

#include "model/url.h"

namespace hairpin {
namespace {

bool is_letter(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); }

// RFC 1123 2.1, and the underscores of service labels and of container names. A dot at the end: no search domains.
bool is_domain_name(std::string_view name) {
    constexpr size_t longest_name = 253;
    constexpr size_t longest_label = 63;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > longest_name) return false;
    while (true) {
        const std::string_view label = name.substr(0, name.find('.'));
        const auto may_stand = [](char c) { return is_letter(c) || ('0' <= c && c <= '9') || c == '-' || c == '_'; };
        if (label.empty() || label.size() > longest_label || label.starts_with('-') || label.ends_with('-') ||
            !std::ranges::all_of(label, may_stand)) {
            return false;
        }
        if (label.size() == name.size()) return true;
        name.remove_prefix(label.size() + 1);
    }
}

Error no_name(std::string_view text) {
    return Error{"'" + std::string(text) + "' is no domain name: write labels of A-Z a-z 0-9 - _ with dots between"};
}

}  // namespace

bool BackendName::is_meant(std::string_view text) {
    return !text.starts_with('[') && !is_url(text) && std::ranges::count(text, ':') <= 1 &&
           std::ranges::any_of(text.substr(0, text.find(':')), is_letter);
}

Result<BackendName> BackendName::parse(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (!is_domain_name(name)) return no_name(name);
    if (colon == text.npos) {
        return Error{"'" + std::string(text) + "' lacks a port: write NAME:PORT, such as app.lan:8080"};
    }
    const auto ports = PortRange::parse(text.substr(colon + 1));
    if (!ports) return ports.error();
    return BackendName{.name = std::string(name), .ports = *ports};
}

Result<BackendName> BackendName::parse_srv(std::string_view text) {
    if (!is_domain_name(text)) return no_name(text);
    return BackendName{.name = std::string(text), .ports = std::nullopt};
}

std::string BackendName::str() const { return ports ? name + ":" + ports->str() : "SRV " + name; }

}  // namespace hairpin
