#include "daemon/engine_choice.h"

#include <spdlog/spdlog.h>

#include "daemon/process.h"
#include "engines/registry.h"
#include "model/listen_links.h"

namespace hairpin {

Result<> can_begin(const ToServe& what) {
    const auto can = select_engine(what.settings.engine, {.set_sysctls = what.settings.set_sysctls}, what.written,
                                   [&what](Engine& engine) { return check_unhindered(engine, *what.desired); });
    if (!can) return can.error();
    const auto able = can->engine->check(*what.desired);
    return able ? Result<>() : able.error();
}

Result<std::unique_ptr<Engine>> choose_engine(const ToServe& what, std::shared_ptr<InheritedSockets> inherited,
                                              Events& events) {
    const auto tell = [&events](const Event& event) {
        events.tell(event);
        if (event.kind) wake_daemon();  // somebody may follow them
    };
    const EngineOptions options{.threads = what.settings.threads,
                                .set_sysctls = what.settings.set_sysctls,
                                .on_event = tell,
                                .on_failure = wake_daemon,
                                .inherited = std::move(inherited)};
    auto selected = select_engine(what.settings.engine, options, what.written, [&what](Engine& engine) -> Result<> {
        auto allowed = check_unhindered(engine, *what.desired);
        return allowed ? begin(engine, what.desired) : allowed;
    });
    if (!selected) return selected.error();
    for (const std::string& why : selected->passed_over) spdlog::info("engine auto: not {}", why);
    return std::move(selected->engine);
}

Result<> begin(Engine& engine, const std::shared_ptr<const Desired>& desired) {
    const auto adopts = engine.has_traces();
    auto applied = engine.apply(desired);
    if (!applied && !(adopts && *adopts)) (void)engine.clear();
    return applied;
}

std::string next_engine(const Config& config, const Topology& topology, const Engine& ours) {
    if (!config.errors.empty()) return std::string(ours.name());
    const auto next = select_engine(config.settings.engine, {}, Ruleset(follow_links(config.services, topology)),
                                    [](Engine&) { return Result<>(); });
    return std::string(next ? next->engine->name() : ours.name());
}

bool is_in_kernel(const Engine& engine) { return !find_engine(engine.name())->kernel_state.empty(); }

bool takes_over(std::string_view next, const Engine& ours) {
    return is_in_kernel(ours) && find_engine(next)->kernel_state == find_engine(ours.name())->kernel_state;
}

}  // namespace hairpin
