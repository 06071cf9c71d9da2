#include "config/parse_health.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace hairpin {
namespace {

using yaml::Node;

// Which kinds of check a key means something to, of those that do not mean something to all.
struct Use {
    std::string_view key;
    std::vector<CheckKind> kinds;
};
const std::vector<Use>& uses() {
    using enum CheckKind;
    static const std::vector<CheckKind> asking = {tcp, udp, http, https, command};
    static const std::vector<Use> table = {{"kind", {tcp, udp, http, https, none}},
                                           {"send", {tcp, udp}},
                                           {"expect", {tcp, udp}},
                                           {"path", {http, https}},
                                           {"host", {http, https}},
                                           {"status", {http, https}},
                                           {"via", {tcp, udp, http, https}},
                                           {"port", asking},
                                           {"interval", asking},
                                           {"timeout", asking},
                                           {"rise", asking},
                                           {"fall", asking}};
    return table;
}

bool is_url_path(std::string_view text) {
    return text.starts_with('/') && std::ranges::none_of(text, [](char c) { return c == ' ' || c == '#'; });
}

bool is_host_name(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '-' || c == '.';
    });
}

PassiveCheck read_passive(Reader& reader, const Key& key, Node value) {
    PassiveCheck passive;
    reader.each_key(value, key.label(), key.path(), [&](const Key& part, Node part_value) {
        if (part.name == "for") {
            if (const auto duration = reader.duration(part, part_value)) passive.hold = *duration;
        } else if (const auto count = reader.count(part, part_value)) {
            passive.failures = static_cast<uint32_t>(*count);
        }
    });
    return passive;
}

void read_key(Reader& reader, const Key& key, Node value, HealthCheck& check) {
    const auto wrong = [&](std::string_view why) { reader.complain(value.mark(), key.label(), why); };
    if (key.name == "kind") {
        // A command, where there is one, stays the kind.
        const auto kind = reader.choice<CheckKind>(key, value);
        if (kind && check.command.empty()) check.kind = *kind;
    } else if (key.name == "command") {
        reader.each_item(key, value, [&](Node item, const std::string& label) {
            if (const auto argument = reader.text(label, item)) check.command.emplace_back(*argument);
        });
        check.kind = CheckKind::command;
    } else if (key.name == "port") {
        if (const auto port = reader.count(key, value)) check.port = static_cast<uint16_t>(*port);
    } else if (key.name == "send" || key.name == "expect") {
        if (const auto text = reader.bytes(key.label(), value)) {
            (key.name == "send" ? check.send : check.expect) = *text;
        }
    } else if (key.name == "path") {
        const auto path = reader.text(key.label(), value);
        if (path && !is_url_path(*path)) wrong(in_quotes(*path) + " is no path: begin it with /, without blanks and #");
        if (path) check.path = *path;
    } else if (key.name == "host") {
        const auto host = reader.text(key.label(), value);
        if (host && !is_host_name(*host)) wrong(in_quotes(*host) + " is no name of a host: write A-Z a-z 0-9 . -");
        if (host) check.host = *host;
    } else if (key.name == "status") {
        check.status.clear();
        reader.each_item(key, value, [&](Node item, const std::string& label) {
            if (const auto range = reader.parsed<StatusRange>(label, item)) check.status.push_back(*range);
        });
    } else if (key.name == "interval" || key.name == "timeout") {
        if (const auto duration = reader.duration(key, value)) {
            (key.name == "interval" ? check.interval : check.timeout) = *duration;
        }
    } else if (key.name == "via") {
        if (const auto via = reader.choice<CheckVia>(key, value)) check.via = *via;
    } else if (key.name == "passive") {
        check.passive = read_passive(reader, key, value);
    } else if (key.name == "when_none") {
        if (const auto what = reader.choice<WhenNone>(key, value)) check.when_none = *what;
    } else if (const auto count = reader.count(key, value)) {
        uint32_t& field = key.name == "rise" ? check.rise : key.name == "fall" ? check.fall : check.panic_threshold;
        field = static_cast<uint32_t>(*count);
    }
}

}  // namespace

std::optional<HealthCheck> parse_health(Reader& reader, const Key& key, Node value) {
    HealthCheck check;
    if (value.kind() != yaml::Kind::mapping) {
        const auto kind = from_name<CheckKind>(reader.word(key, value).value_or("none"));
        if (!kind || *kind == CheckKind::none) return std::nullopt;
        check.kind = *kind;
        return check;
    }
    std::vector<std::pair<const Key*, Node>> given;
    bool kind_known = true;
    reader.each_key(value, key.label(), key.path(), [&](const Key& part, Node part_value) {
        given.emplace_back(&part, part_value);
        kind_known = kind_known && (part.name != "kind" || from_name<CheckKind>(part_value.text()));
        read_key(reader, part, part_value, check);
    });
    for (const auto& [part, part_value] : given) {
        if (!kind_known) break;
        const auto use = std::ranges::find(uses(), part->name, &Use::key);
        if (use == uses().end() || std::ranges::count(use->kinds, check.kind) > 0) continue;
        const bool is_command = check.kind == CheckKind::command;
        reader.complain(part_value.mark(), part->label(),
                        is_command ? "means nothing beside 'command'; remove one of the two"
                                   : "means nothing to kind " + std::string(name(check.kind)) +
                                         "; remove it, or write kind: " + std::string(name(use->kinds.front())));
    }
    if (kind_known && check.kind == CheckKind::none && !check.passive) {
        reader.complain(value.mark(), key.label(),
                        "asks nobody and looks at no client: write none, or give it 'passive' or another kind");
    }
    return check;
}

}  // namespace hairpin
