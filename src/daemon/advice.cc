#include "daemon/advice.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "daemon/process.h"
#include "engines/registry.h"

namespace hairpin {

void warn_of_traces(const Engine& ours) {
    std::set<std::string_view> known = {"", find_engine(ours.name())->kernel_state};
    for (const EngineEntry& entry : engines()) {
        if (!known.insert(entry.kernel_state).second || !entry.make({})->has_traces()) continue;
        spdlog::warn(
            "the kernel still does what engine {} told it, in another hairpin or in one that was killed: if it "
            "should not, `hairpin clear` ends that",
            entry.kernel_state);
    }
}

void advise(const Engine& engine, const Ruleset& ruleset) {
    const bool tcp = std::ranges::any_of(
        ruleset.services(), [](const Service& service) { return includes(service.protocols, Protocol::tcp); });
    if (tcp && engine.name() == "proxy" && !reuses_closed_ports()) {
        spdlog::info(
            "net.ipv4.tcp_tw_reuse is not 1: after a client closes, its port towards the backend rests for a "
            "minute, so above some 230 connections a second to one backend new ones become slow, then fail; "
            "`sysctl -w net.ipv4.tcp_tw_reuse=1` lifts that");
    }
}

}  // namespace hairpin
