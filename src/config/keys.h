// Every key of the configuration, once: what is accepted, what docs/config.md lists, what the JSON Schema describes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hairpin {

struct Key {
    enum class Type {
        mapping,    // of keys, which are in the table too; so may a `choice` be, in place of a word
        choice,     // one of `words`
        count,      // a whole number from `least` to `most`, or one of `words`
        duration,   // "250ms", "30s", "5m", "2h"; `least` and `most` are milliseconds
        endpoint,   // ADDRESS:PORT or ADDRESS:FIRST-LAST
        endpoints,  // one of those, or a list of them
        backend,    // as endpoint, and NAME:PORT too
        backends,   // one of those, or a list of them; each may be a mapping
        listens,    // as endpoints, and LINK:PORT too
        addresses,  // one ADDRESS, or a list of them
        prefixes,   // one ADDRESS/LENGTH, or a list of them
        flag,       // one of `words`, which are true and false
        text,       // any
        statuses,   // one HTTP status or FIRST-LAST, or a list of them
        arguments,  // a program, or a list of it and its arguments
    };

    std::string_view parent;  // path of the mapping that it stands in; "*" is a name that the user gives
    std::string_view name;
    Type type;
    bool required = false;
    bool either = false;             // of the keys of its mapping that say so one is given, and only one
    std::string_view fallback = {};  // the default, as it would be written
    std::string_view unit = {};      // of a count
    std::span<const std::string_view> words = {};
    int64_t least = 0;
    int64_t most = 0;
    std::string_view description = {};  // Markdown, one paragraph

    std::string path() const;   // "services.*.source.map"
    std::string label() const;  // the same as seen from its service: "source.map"
};

// All of them, each mapping before what stands in it.
std::span<const Key> all_keys();

// Those that may stand in the mapping `parent`. "defaults" takes the keys of a service that no service must give
// itself.
std::vector<const Key*> keys_in(std::string_view parent);

// Null: there is none.
const Key* find_key(std::string_view parent, std::string_view name);

// What a service may be called.
inline constexpr std::string_view name_pattern = "^[A-Za-z0-9_.-]{1,63}$";
bool is_service_name(std::string_view text);

}  // namespace hairpin
