#include "config/reader.h"

#include <algorithm>
#include <map>

namespace hairpin {
namespace {

constexpr size_t longest_value = 255;  // bytes; no value has use for more

std::string unknown_key(std::string_view parent, std::string_view name) {
    if (name == "<<") return "merge keys (<<) mean nothing here: write what services share under 'defaults'";
    std::vector<std::string_view> known;
    for (const Key* key : keys_in(parent)) known.push_back(key->name);
    const auto meant = nearest(name, known);
    return "unknown key " + in_quotes(name) +
           (meant ? ": did you mean '" + std::string(*meant) + "'?" : ": the keys here are " + either(known));
}

}  // namespace

void Reader::complain(yaml::Mark mark, std::string_view label, std::string_view message) {
    const std::string separator = label.empty() ? "" : ": ";
    add({origin_, mark.line, mark.column, std::string(label) + separator + std::string(message)});
}

void Reader::add(Diagnostic diagnostic) {
    if (complaints_.size() == max_complaints) {
        too_many_ = true;
    } else {
        complaints_.push_back(std::move(diagnostic));
    }
}

std::vector<Diagnostic> Reader::complaints() && {
    std::ranges::sort(complaints_);
    // The same again came through an alias, or from `defaults`.
    complaints_.erase(std::unique(complaints_.begin(), complaints_.end()), complaints_.end());
    if (too_many_) complaints_.push_back({origin_, 0, 0, "has more problems than these; the rest is not shown"});
    return std::move(complaints_);
}

void Reader::each_entry(yaml::Node mapping, std::string_view label, const EntryVisitor& visit) {
    if (mapping.kind() != yaml::Kind::mapping) {
        return complain(mapping.mark(), label, "must be a mapping: write KEY: VALUE, one a line");
    }
    std::map<std::string_view, yaml::Mark> seen;
    for (const auto& [name, value] : mapping.entries()) {
        if (name.kind() != yaml::Kind::scalar) {
            complain(name.mark(), label, "a key must be plain text");
            continue;
        }
        const auto [first, is_new] = seen.emplace(name.text(), name.mark());
        if (is_new) {
            visit(name, value);
        } else {
            complain(name.mark(), "",
                     "duplicate key " + in_quotes(name.text()) + ": first at line " +
                         std::to_string(first->second.line) + ", column " + std::to_string(first->second.column));
        }
    }
}

void Reader::each_key(yaml::Node mapping, std::string_view label, std::string_view parent, const KeyVisitor& visit) {
    each_entry(mapping, label, [&](yaml::Node name, yaml::Node value) {
        if (const Key* key = find_key(parent, name.text())) {
            visit(*key, value);
        } else {
            complain(name.mark(), "", unknown_key(parent, name.text()));
        }
    });
}

void Reader::each_item(const Key& key, yaml::Node node, const ItemVisitor& visit) {
    const std::string label = key.label();
    if (node.kind() != yaml::Kind::sequence) return visit(node, label);
    const auto items = node.items();
    if (items.empty()) complain(node.mark(), label, "is an empty list");
    for (size_t i = 0; i < items.size(); ++i) visit(items[i], label + "[" + std::to_string(i) + "]");
}

std::optional<std::string_view> Reader::text(const std::string& label, yaml::Node node) {
    const auto text = bytes(label, node);
    if (!text || is_printable(*text)) return text;
    complain(node.mark(), label, in_quotes(*text) + " holds something else than printable ASCII");
    return std::nullopt;
}

std::optional<std::string_view> Reader::bytes(const std::string& label, yaml::Node node) {
    const auto wrong = [&](std::string_view why) {
        complain(node.mark(), label, why);
        return std::nullopt;
    };
    if (node.kind() == yaml::Kind::sequence) return wrong("must be one value, not a list");
    if (node.kind() == yaml::Kind::mapping) return wrong("must be one value, not a mapping");
    const std::string_view text = node.text();
    if (text.empty()) return wrong("has no value");
    if (text.size() > longest_value) return wrong(in_quotes(text) + " is too long");
    return text;
}

std::optional<std::string_view> Reader::word(const Key& key, yaml::Node node) {
    const auto written = text(key.label(), node);
    if (!written) return std::nullopt;
    const auto found = std::ranges::find(key.words, *written);
    if (found != key.words.end()) return *found;
    complain(node.mark(), key.label(), in_quotes(*written) + " is not known: write " + either(key.words));
    return std::nullopt;
}

std::optional<int64_t> Reader::count(const Key& key, yaml::Node node) {
    const auto written = text(key.label(), node);
    if (!written) return std::nullopt;
    if (std::ranges::find(key.words, *written) != key.words.end()) return 0;
    const auto number = parse_count(*written, key.least, key.most);
    if (number) return *number;
    complain(node.mark(), key.label(), number.error().message + (key.words.empty() ? "" : ", or " + either(key.words)));
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> Reader::duration(const Key& key, yaml::Node node) {
    const auto written = text(key.label(), node);
    if (!written) return std::nullopt;
    const auto value =
        parse_duration(*written, std::chrono::milliseconds(key.least), std::chrono::milliseconds(key.most));
    if (value) return *value;
    complain(node.mark(), key.label(), value.error().message);
    return std::nullopt;
}

}  // namespace hairpin
