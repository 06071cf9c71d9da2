#include "engines/bpf/shortages.h"

#include <fmt/format.h>

#include "engines/free_ports.h"

namespace hairpin::bpf {
namespace {

std::string describe(const hp_counts& counts, hp_refusal want) {
    if (want == HP_REFUSED_PORTS) {
        return fmt::format(
            "service {}: no source port is free towards a backend, so clients that need one are refused; {}",
            counts.name, how_to_have_more_ports);
    }
    return fmt::format(
        "service {}: the table of flows is full, so new clients are refused until others have ended; "
        "a shorter idle_timeout or tcp_idle_timeout forgets silent ones sooner",
        counts.name);
}

}  // namespace

void Shortages::tend(const KernelMap<uint32_t, hp_counts>& counts) {
    const auto now = std::chrono::steady_clock::now();
    const auto done = counts.visit_all([&](uint32_t service, const hp_counts& count) {
        for (const hp_refusal want : {HP_REFUSED_PORTS, HP_REFUSED_MEMORY}) {
            if (count.refused[want] == 0) continue;
            Shortage& shortage = known_[{service, want}];
            const bool more = count.refused[want] > std::exchange(shortage.refused, count.refused[want]);
            if (begun_ && more && shortage.episode.begins(now)) on_event_(engine_warning(describe(count, want)));
        }
    });
    begun_ = true;
    if (!done && !std::exchange(blind_, true)) {
        on_event_(engine_warning(done.error().within("where ports or room run out, nobody is told").message));
    }
}

}  // namespace hairpin::bpf
