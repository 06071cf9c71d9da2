#include "engines/nft/table.h"

#include <fmt/format.h>

#include <functional>
#include <map>

namespace hairpin::nft {
namespace {

template <class Thing, class Counts>
void put(const std::vector<Thing>& things, Counts& counts, std::vector<Thing>& added) {
    for (const Thing& thing : things) {
        if (counts[thing]++ == 0) added.push_back(thing);
    }
}

template <class Thing, class Counts>
void take(const std::vector<Thing>& things, Counts& counts, std::vector<Thing>& gone) {
    for (const Thing& thing : things) {
        const auto count = counts.find(thing);
        if (--count->second > 0) continue;
        gone.push_back(count->first);
        counts.erase(count);
    }
}

std::string_view keyword(Definition::Kind kind) {
    switch (kind) {
        case Definition::Kind::timeout:
            return "ct timeout";
        case Definition::Kind::set:
            return "set";
        case Definition::Kind::chain:
            return "chain";
    }
    return {};
}

// "add element inet hairpin to4 { a, b, c }" for each set.
void write_elements(std::string_view verb, const std::vector<Element>& elements, bool with_values, std::string& text) {
    std::map<std::string_view, std::string> by_set;
    for (const Element& element : elements) {
        std::string& list = by_set[element.set];
        list.append(list.empty() ? "" : ", ").append(element.key);
        if (with_values && !element.value.empty()) list.append(" : ").append(element.value);
    }
    for (const auto& [set, list] : by_set) {
        text.append(verb).append(" element ").append(table).append(" ").append(set);
        text.append(" { ").append(list).append(" }\n");
    }
}

}  // namespace

size_t Contents::Hash::operator()(const Element& element) const {
    const std::hash<std::string_view> hash;
    return hash(element.key) ^ (hash(element.set) * 3);
}

size_t Contents::Hash::operator()(const Definition& definition) const {
    return std::hash<std::string_view>{}(definition.name);
}

// In before out: what leaves with one part and comes with another never is gone.
Change Contents::replace(const std::vector<Part>& out, const std::vector<Part>& in) {
    Change change;
    for (const Part& part : in) {
        put(part.definitions, definitions_, change.added.definitions);
        put(part.elements, elements_, change.added.elements);
    }
    for (const Part& part : out) {
        take(part.definitions, definitions_, change.gone.definitions);
        take(part.elements, elements_, change.gone.elements);
    }
    return change;
}

bool Contents::holds_chain(const std::string& name) const {
    return definitions_.contains({Definition::Kind::chain, name, {}});
}

bool Definition::names(std::string_view chain) {
    return chain.starts_with("to.") || chain.starts_with("profile.") || chain.starts_with("map.") ||
           chain.starts_with("admit.") || chain.starts_with("limit.");
}

std::string digest(std::string_view text) {
    uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
    return fmt::format("{:016x}", hash);
}

// Elements name chains, and chains name chains: those that go are emptied before the first of them is deleted. A
// timeout that goes stays in the table, for live flows still follow it, and a set, for it still counts them.
std::string commands(const Change& change) {
    std::string text;
    if (!change.added.definitions.empty()) {
        text.append("table ").append(table).append(" {\n");
        for (const Definition& definition : change.added.definitions) {
            text.append(keyword(definition.kind)).append(" ").append(definition.name).append(" {\n");
            text.append(definition.body).append("}\n");
        }
        text.append("}\n");
    }
    write_elements("delete", change.gone.elements, false, text);
    write_elements("add", change.added.elements, true, text);
    for (const std::string_view verb : {"flush", "delete"}) {
        for (const Definition& definition : change.gone.definitions) {
            if (definition.kind != Definition::Kind::chain) continue;
            text.append(verb).append(" chain ").append(table).append(" ").append(definition.name).append("\n");
        }
    }
    return text;
}

}  // namespace hairpin::nft
