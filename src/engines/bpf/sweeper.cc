#include "engines/bpf/sweeper.h"

#include <netinet/in.h>

#include <cstring>

#include "engines/bpf/clock.h"
#include "engines/bpf/convert.h"

namespace hairpin::bpf {
namespace {

constexpr size_t at_once = 1 << 16;  // halves that one call looks at

bool same(const hp_tuple& a, const hp_tuple& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// The key of the other half.
hp_tuple answer_to(const hp_half& half) { return reversed(translated(half)); }

FlowState state_of(const Kernel& kernel, const hp_tuple& asked, const hp_half& forth) {
    FlowState flow{asked, forth, {}};
    const auto back = kernel.flows().get(answer_to(forth));
    if (back && same(answer_to(*back), asked)) flow.back = back;
    return flow;
}

// A half to the client that no half to the backend leads to.
bool is_orphan(const Kernel& kernel, const hp_tuple& key, const hp_half& back) {
    const auto forth = kernel.flows().get(answer_to(back));
    return !forth || !same(answer_to(*forth), key);
}

}  // namespace

Protocol FlowState::protocol() const { return asked.protocol == IPPROTO_TCP ? Protocol::tcp : Protocol::udp; }

bool FlowState::ended() const {
    constexpr unsigned both = HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND;
    return (forth.marks & HP_RESET) != 0 || (forth.marks & both) == both;
}

uint32_t FlowState::seen() const {
    return back && static_cast<int32_t>(back->seen - forth.seen) > 0 ? back->seen : forth.seen;
}

std::chrono::nanoseconds rest_of(const hp_half& forth, const Rests& rests) {
    if (forth.protocol == IPPROTO_UDP) return rests.udp;
    const bool closing = (forth.marks & (HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND | HP_RESET)) != 0;
    return closing || (forth.marks & HP_ESTABLISHED) == 0 ? time_transitory : rests.established;
}

Result<> visit_flows(const Kernel& kernel, const std::function<void(const FlowState&)>& show) {
    return kernel.flows().visit_all([&](const hp_tuple& key, const hp_half& half) {
        if (half.direction == HP_TO_BACKEND) show(state_of(kernel, key, half));
    });
}

void Sweeper::sweep(const Kernel& kernel, const std::function<Rests(uint32_t slot)>& rests) {
    const auto time = kernel.flows().now();
    if (!time) return;
    std::vector<FlowState> rested;
    std::vector<std::pair<hp_tuple, hp_half>> orphans;
    const auto done = kernel.flows().visit(cursor_, at_once, [&](const hp_tuple& key, const hp_half& half) {
        // Nearly all have just been seen, so the other half need not be asked for.
        if (half.direction == HP_TO_BACKEND) {
            const auto rest = rest_of(half, rests(half.service));
            if (since(half.seen, *time) <= rest) return;
            const FlowState flow = state_of(kernel, key, half);
            if (since(flow.seen(), *time) > rest) rested.push_back(flow);
        } else if (since(half.seen, *time) > time_transitory && is_orphan(kernel, key, half)) {
            orphans.emplace_back(key, half);
        }
    });
    if (!done) cursor_ = {};
    for (const FlowState& flow : rested) kernel.flows().remove(flow.asked, flow.forth.began, flow.seen());
    for (const auto& [key, half] : orphans) kernel.flows().remove_orphan(key, half.began, half.seen);
}

}  // namespace hairpin::bpf
