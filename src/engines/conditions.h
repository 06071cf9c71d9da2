// What is so for a while, and told as it begins and as it ends.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

// Sentences, each of something that is wrong. One thread uses it.
class Conditions {
public:
    explicit Conditions(std::function<void(const Event&)> on_event) : on_event_(std::move(on_event)) {}

    // All that hold from now on: tells what is new among them, and what is over.
    void become(std::vector<std::string> now) {
        const auto has = [](const std::vector<std::string>& all, const std::string& one) {
            return std::ranges::find(all, one) != all.end();
        };
        const auto before = std::exchange(now_, std::move(now));
        for (const std::string& one : now_) {
            if (!has(before, one)) on_event_(engine_warning(one));
        }
        for (const std::string& one : before) {
            if (!has(now_, one)) on_event_({.kind = EventKind::engine, .message = "over by now: " + one});
        }
    }
    void forget() { now_.clear(); }  // without a word: nothing is served that they could matter to
    const std::vector<std::string>& now() const { return now_; }

private:
    const std::function<void(const Event&)> on_event_;
    std::vector<std::string> now_;
};

}  // namespace hairpin
