// Tells an operator whose clients are refused for want of room, which the kernel's half does in silence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "engines/bpf/kernel.h"
#include "engines/engine.h"
#include "engines/episode.h"

namespace hairpin::bpf {

// One thread uses it.
class Shortages {
public:
    explicit Shortages(std::function<void(const Event&)> on_event) : on_event_(std::move(on_event)) {}

    // To be called about once a second: tells of a service once as it begins, however many it refuses. What has been
    // counted before the first call is no news.
    void tend(const KernelMap<uint32_t, hp_counts>& counts);

private:
    struct Shortage {
        uint64_t refused = 0;
        Episode episode;
    };

    const std::function<void(const Event&)> on_event_;
    std::map<std::pair<uint32_t, hp_refusal>, Shortage> known_;  // by service; of those that were ever short
    bool begun_ = false;
    bool blind_ = false;  // the counts could not be had
};

}  // namespace hairpin::bpf
