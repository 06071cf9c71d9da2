#include "daemon/remains.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <set>
#include <string_view>

namespace hairpin {
namespace {

bool has_traces(Engine& engine) {
    const auto any = engine.has_traces();
    return any && *any;
}

}  // namespace

bool Remains::clear(const Engine& ours, Events& events) {
    left_.clear();
    bool any = false;
    std::set<std::string_view> known = {"", find_engine(ours.name())->kernel_state};
    for (const EngineEntry& entry : engines()) {
        if (known.insert(entry.kernel_state).second) any |= clear(entry, events);
    }
    return any;
}

bool Remains::clear(const EngineEntry& entry, Events& events) {
    const auto any = entry.make({})->has_traces();
    if (!any) {
        spdlog::info("whether engine {} has left something in the kernel cannot be told: {}", entry.kernel_state,
                     any.error().message);
        return false;
    }
    if (!*any) return false;
    const auto cleared = entry.make({})->clear();  // with this object its lock goes, too
    const auto engine = entry.make({});
    if (has_traces(*engine)) {
        left_.push_back({&entry, cleared || engine->owner() ? "" : cleared.error().message});
        events.tell(engine_warning(left_.back().problem(*engine)));
        return !engine->owner();  // it may have put sysctls back
    }
    events.tell(engine_warning(fmt::format(
        "cleared what engine {} had left in the kernel: no process served with it any more", entry.kernel_state)));
    return true;
}

std::string Remains::Left::problem(const Engine& engine) const {
    if (const auto owner = engine.owner()) {
        return fmt::format("engine {} serves here as well, in {}: it gets clients of endpoints that both have",
                           entry->kernel_state, *owner > 0 ? fmt::format("process {}", *owner) : "another hairpin");
    }
    return fmt::format(
        "the kernel still does what engine {} told it, and may lead clients past us: `hairpin clear`, as root, ends "
        "that{}{}",
        entry->kernel_state, why.empty() ? "" : "; we could not: ", why);
}

std::vector<std::string> Remains::problems() const {
    std::vector<std::string> list;
    for (const Left& left : left_) {
        const auto engine = left.entry->make({});
        if (has_traces(*engine)) list.push_back(left.problem(*engine));
    }
    return list;
}

}  // namespace hairpin
