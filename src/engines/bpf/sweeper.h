// Flows as the daemon sees them: listed, and taken away when they have rested for too long.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "engines/bpf/kernel.h"
#include "engines/tcp_times.h"
#include "model/service.h"

namespace hairpin::bpf {

// Both halves of a flow, as they were a moment ago.
struct FlowState {
    hp_tuple asked{};  // the key of the half to the backend
    hp_half forth{};
    std::optional<hp_half> back{};  // it may be gone

    Protocol protocol() const;
    bool ended() const;  // a reset, or both FINs
    bool answered() const { return !back || back->bytes > 0; }
    uint32_t seen() const;  // the tick
    uint64_t bytes_to_client() const { return back ? back->bytes : 0; }
};

// How long a service's flows may rest.
struct Rests {
    std::chrono::milliseconds udp = Service{}.idle_timeout;
    std::chrono::milliseconds established = time_established;  // TCP
};

// How long this one may, whatever its state.
std::chrono::nanoseconds rest_of(const hp_half& forth, const Rests& rests);

Result<> visit_flows(const Kernel& kernel, const std::function<void(const FlowState&)>& show);

// One thread, that of the kernel's half.
class Sweeper {
public:
    // `rests`: of the flows of a slot.
    void sweep(const Kernel& kernel, const std::function<Rests(uint32_t slot)>& rests);

private:
    FlowTable::Cursor cursor_;
};

}  // namespace hairpin::bpf
