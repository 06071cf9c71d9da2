// An engine that serves nothing and tells what a test gives it.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

struct FakeEngine : Engine {
    Result<Stats> told_stats = Stats{};
    std::vector<LiveFlow> told_flows;
    Abilities told_abilities;

    std::string_view name() const override { return "fake"; }
    Abilities abilities() const override { return told_abilities; }
    std::vector<Gap> gaps(const Ruleset&) const override { return {}; }
    Result<std::vector<std::string>> check(const Desired&) override { return std::vector<std::string>(); }
    Result<bool> has_traces() override { return false; }
    Result<> apply(std::shared_ptr<const Desired>) override { return {}; }
    Result<Stats> stats() override { return told_stats; }
    Result<> flows(const std::function<void(const LiveFlow&)>& visit) override {
        for (const LiveFlow& flow : told_flows) visit(flow);
        return {};
    }
    Result<uint64_t> end_connections(const std::function<bool(const LiveFlow&)>& which) override {
        return std::erase_if(told_flows, which);
    }
    Result<> clear() override { return {}; }
};

}  // namespace hairpin
