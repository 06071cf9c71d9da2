// Notices that somebody changes the kernel's settings that an engine depends on while it serves.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engines/conditions.h"
#include "engines/engine.h"
#include "engines/episode.h"
#include "engines/forwarding.h"

namespace hairpin {

// Acts on the network namespace of its thread. One thread uses it.
class SettingsWatch {
public:
    // One that the engine sets whatever is configured.
    struct Own {
        std::string key;
        std::string without;  // it: "the gateway's own clients are not served"
    };
    struct Means {
        bool may_set = false;                         // EngineOptions::set_sysctls
        std::function<Result<>(const Setting&)> set;  // to "1", until clear()
        std::vector<Family> families_of_links;        // whose packets a link's own setting keeps from this engine
        std::vector<Own> own = {};                    // what it needs beside forwarding
    };
    SettingsWatch(Means means, const std::function<void(const Event&)>& on_event)
        : means_(std::move(means)), on_event_(on_event), troubles_(on_event) {}

    // To be called about once a second, with what is served: sets again what it may, and tells; tells of the others as
    // they close and as they open. Costs a read of /proc for each setting.
    void tend(const std::shared_ptr<const Desired>& desired);

    // What keeps clients out now, one sentence each, with what helps.
    const std::vector<std::string>& troubles() const { return troubles_.now(); }

private:
    void add_own(std::vector<std::string>& troubles);
    void add_closed(const Desired& desired, std::vector<std::string>& troubles);
    void add_closed_links(std::vector<std::string>& troubles) const;
    Result<> set_again(const Setting& setting);

    const Means means_;
    const std::function<void(const Event&)> on_event_;
    std::shared_ptr<const Desired> seen_;
    std::set<std::pair<std::string, Family>> links_;  // that `seen_` needs
    Conditions troubles_;
    std::map<std::string, Episode> fights_;  // by key: somebody closes what we open, again and again
};

}  // namespace hairpin
