// Tells an operator whose limits are met, which the kernel does in silence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "engines/engine.h"
#include "engines/episode.h"

namespace hairpin {

// One thread uses it.
class LimitWatch {
public:
    // How many each limit of a service has kept out so far.
    using Refused = std::map<std::pair<const Service*, Limit>, uint64_t>;
    using Count = std::function<Result<Refused>(const Desired&)>;

    // `count` lasts as long.
    LimitWatch(Count count, std::function<void(const Event&)> on_event)
        : count_(std::move(count)), on_event_(std::move(on_event)) {}

    // Before the first tend(): what an earlier daemon's table has counted is no news.
    void begin(const Desired& desired);
    // To be called about once a second, with what is served. Costs nothing where no service has limits.
    void tend(const Desired& desired);

private:
    struct Met {
        uint64_t refused = 0;
        Episode episode;
    };
    // `more`: of whom more have been refused than when we last looked.
    void look(const Refused& refused, const std::function<void(const Service&, Limit)>& more);

    const Count count_;
    const std::function<void(const Event&)> on_event_;
    std::map<std::pair<std::string, Limit>, Met> met_;  // by service
    bool blind_ = false;                                // the counts could not be had
};

}  // namespace hairpin
