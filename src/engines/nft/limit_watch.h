// Tells an operator whose limits are met, which the kernel does in silence.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "engines/engine.h"
#include "engines/episode.h"

namespace hairpin::nft {

// One thread uses it.
class LimitWatch {
public:
    explicit LimitWatch(std::function<void(const Event&)> on_event) : on_event_(std::move(on_event)) {}

    // Before the first tend(): what an earlier daemon's table has counted is no news.
    void begin(const Desired& desired);
    // To be called about once a second, with what the table serves. Costs nothing where no service has limits.
    void tend(const Desired& desired);

private:
    struct Met {
        uint64_t refused = 0;
        Episode episode;
    };
    Result<> look(const Desired& desired, const std::function<void(const Service&, Limit)>& more);

    const std::function<void(const Event&)> on_event_;
    std::map<std::pair<std::string, Limit>, Met> met_;  // by service
    bool blind_ = false;                                // the counts could not be had
};

}  // namespace hairpin::nft
