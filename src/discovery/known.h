// What is known of a name, and how an answer changes it: the last good one stays until there is another. Pure.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/backend_name.h"

namespace hairpin::discovery {

// What came of asking once.
struct Reply {
    std::vector<Server> servers = {};
    std::set<std::pair<std::string, Family>> unheard =
        {};                   // of which hosts nobody said whether there are such addresses
    bool heard = true;        // false: nobody said which hosts there are
    std::string reason = {};  // why something is missing that may be there; empty: nothing is
    std::chrono::seconds ttl = std::chrono::seconds::max();  // the least of all
};

struct Known {
    std::vector<Server> servers = {};  // sorted, each once; of the last good answer, as far as a later one has not come
    std::string trouble = {};          // why the last answer was not good; empty: it was
    bool asked = false;                // once at least
    int failures = 0;                  // answers in a row that were not good

    bool operator==(const Known&) const = default;
};

// What is known after a reply. Nobody's silence takes a backend away, nor does a name that is gone: it may come back,
// and a service without backends helps nobody.
Known after(const Known& before, Reply reply);

// When to ask again: as soon as the answer has run out, between a second and an hour; after one that was no good, the
// later, the more of these there were, up to five seconds.
std::chrono::seconds until_next(const Known& known, std::chrono::seconds ttl);

}  // namespace hairpin::discovery
