#include "engines/bpf/settle.h"

#include <algorithm>
#include <cstring>

namespace hairpin::bpf {
namespace {

template <class Key, class Value>
Result<> fill(Table<Key, Value>& table, const KernelMap<Key, Value>& map) {
    auto all = map.all();
    if (!all) return all.error();
    table = *std::move(all);
    return {};
}

template <class Value>
uint32_t beyond(const Table<uint32_t, Value>& table) {
    uint32_t first = 0;
    for (const auto& [key, value] : table) first = std::max(first, key + 1);
    return first;
}

bool is_zero(const hp_link& link) {
    const hp_link zero{};
    return std::memcmp(&link, &zero, sizeof link) == 0;
}

// Puts what is new or another into a map.
template <class Key, class Value>
Result<> add(const KernelMap<Key, Value>& map, const Table<Key, Value>& before, const Table<Key, Value>& now) {
    for (const auto& [key, value] : now) {
        const auto there = before.find(key);
        if (there != before.end() && std::memcmp(&there->second, &value, sizeof value) == 0) continue;
        if (auto put = map.put(key, value); !put) return put;
    }
    return {};
}

// Takes what is no more out of it.
template <class Key, class Value>
void drop(const KernelMap<Key, Value>& map, const Table<Key, Value>& before, const Table<Key, Value>& now) {
    for (const auto& [key, value] : before) {
        if (!now.contains(key)) map.remove(key);
    }
}

}  // namespace

Result<Tables> read_tables(const Maps& maps) {
    Tables tables;
    if (auto done = fill(tables.endpoints, maps.endpoints); !done) return done.error();
    if (auto done = fill(tables.backends, maps.backends); !done) return done.error();
    if (auto done = fill(tables.choices, maps.choices); !done) return done.error();
    if (auto done = fill(tables.own, maps.own); !done) return done.error();
    if (auto done = fill(tables.rules, maps.rules); !done) return done.error();
    if (auto done = fill(tables.networks, maps.networks); !done) return done.error();
    if (auto done = fill(tables.guarded, maps.guarded); !done) return done.error();
    const auto links = maps.links.visit_all([&](const uint32_t& index, const hp_link& link) {
        if (!is_zero(link)) tables.links.emplace(index, link);
    });
    if (!links) return links.error();
    const auto known = maps.known.visit_all([&](const uint32_t& word, const uint64_t& bits) {
        if (bits != 0) tables.known.emplace(word, bits);
    });
    if (!known) return known.error();
    tables.settings = maps.settings.get(0).value_or(hp_settings{});
    return tables;
}

uint32_t first_free_number(const Tables& tables) {
    uint32_t first = std::max({beyond(tables.backends), beyond(tables.choices), beyond(tables.rules)});
    for (const auto& [key, value] : tables.networks) first = std::max(first, key.network + 1);
    for (const auto& [key, share] : tables.own) first = std::max(first, key.own + 1);
    // A network that holds no address is named by those only that mean it.
    for (const auto& [key, backend] : tables.backends) first = std::max(first, backend.peers + 1);
    for (const auto& [key, rules] : tables.rules) {
        for (const uint32_t network : {rules.allowed[0], rules.allowed[1], rules.denied[0], rules.denied[1]}) {
            first = std::max(first, network + 1);
        }
    }
    return first;
}

Result<> settle(const Maps& maps, const Tables& before, const Tables& now) {
    if (auto done = add(maps.known, before.known, now.known); !done) return done;
    if (auto put = maps.settings.put(0, now.settings); !put) return put;
    if (auto done = add(maps.links, before.links, now.links); !done) return done;
    if (auto done = add(maps.networks, before.networks, now.networks); !done) return done;
    if (auto done = add(maps.rules, before.rules, now.rules); !done) return done;
    if (auto done = add(maps.backends, before.backends, now.backends); !done) return done;
    if (auto done = add(maps.choices, before.choices, now.choices); !done) return done;
    if (auto done = add(maps.own, before.own, now.own); !done) return done;
    if (auto done = add(maps.guarded, before.guarded, now.guarded); !done) return done;
    if (auto done = add(maps.endpoints, before.endpoints, now.endpoints); !done) return done;
    drop(maps.endpoints, before.endpoints, now.endpoints);
    drop(maps.guarded, before.guarded, now.guarded);
    drop(maps.own, before.own, now.own);
    drop(maps.choices, before.choices, now.choices);
    drop(maps.backends, before.backends, now.backends);
    drop(maps.rules, before.rules, now.rules);
    drop(maps.networks, before.networks, now.networks);
    for (const auto& [index, link] : before.links) {  // of an array nothing can be taken out
        if (!now.links.contains(index)) (void)maps.links.put(index, {});
    }
    return {};
}

}  // namespace hairpin::bpf
