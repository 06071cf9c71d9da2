#include "engines/bpf/sweeper.h"

#include <netinet/in.h>

#include "engines/bpf/clock.h"
#include "engines/bpf/convert.h"

namespace hairpin::bpf {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr auto transitory = minutes(4);
constexpr auto established = hours(5 * 24);
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

void add_swept(const Kernel& kernel, const hp_half& half) {
    auto swept = kernel.maps().swept.get(half.service).value_or(hp_swept{});
    swept.bytes[half.direction & 1] += half.bytes;
    (void)kernel.maps().swept.put(half.service, swept);
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

std::chrono::nanoseconds rest_of(const hp_half& forth, std::chrono::milliseconds udp) {
    if (forth.protocol == IPPROTO_UDP) return udp;
    const bool closing = (forth.marks & (HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND | HP_RESET)) != 0;
    return closing || (forth.marks & HP_ESTABLISHED) == 0 ? std::chrono::nanoseconds(transitory) : established;
}

Result<> visit_flows(const Kernel& kernel, const std::function<void(const FlowState&)>& show) {
    return kernel.flows().visit_all([&](const hp_tuple& key, const hp_half& half) {
        if (half.direction == HP_TO_BACKEND) show(state_of(kernel, key, half));
    });
}

// The half to the client last, for it holds the port.
void forget(const Kernel& kernel, const FlowState& flow) {
    add_swept(kernel, flow.forth);
    kernel.flows().remove(flow.asked);
    if (!flow.back) return;
    add_swept(kernel, *flow.back);
    kernel.flows().remove(answer_to(flow.forth));
}

void Sweeper::sweep(const Kernel& kernel, const std::function<std::chrono::milliseconds(uint32_t slot)>& udp_rest) {
    std::vector<FlowState> rested;
    std::vector<hp_tuple> orphans;
    const uint32_t time = now();
    const auto done = kernel.flows().visit(cursor_, at_once, [&](const hp_tuple& key, const hp_half& half) {
        // Nearly all have just been seen, so the other half need not be asked for.
        if (half.direction == HP_TO_BACKEND) {
            const auto rest = rest_of(half, udp_rest(half.service));
            if (since(half.seen, time) <= rest) return;
            const FlowState flow = state_of(kernel, key, half);
            if (since(flow.seen(), time) > rest) rested.push_back(flow);
        } else if (since(half.seen, time) > transitory && is_orphan(kernel, key, half)) {
            orphans.push_back(key);
        }
    });
    if (!done) cursor_ = {};
    for (const FlowState& flow : rested) {  // as they were a moment ago
        const auto still = kernel.flows().get(flow.asked);
        if (!still || still->began != flow.forth.began) continue;
        if (state_of(kernel, flow.asked, *still).seen() == flow.seen()) forget(kernel, flow);
    }
    for (const hp_tuple& key : orphans) kernel.flows().remove(key);
}

}  // namespace hairpin::bpf
