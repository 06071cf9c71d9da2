#include "engines/proxy/attempts.h"

#include <utility>

namespace hairpin::proxy {

std::optional<Choice> Attempts::next() {
    const auto backend = service_ ? least_busy() : next_in_turn();
    if (!backend && rest_) {
        slots_ = std::exchange(rest_, nullptr);
        at_ = first_of_rest_;
        passed_ = 0;
        return next();
    }
    if (!backend) return std::nullopt;
    if (*backend >= tried_.size()) tried_.resize(*backend + 1);
    tried_[*backend] = true;
    return Choice{*backend};
}

std::optional<size_t> Attempts::next_in_turn() {
    for (; passed_ < slots_->size(); ++passed_) {
        const size_t backend = (*slots_)[(at_ + passed_) % slots_->size()];
        if (!is_tried(backend)) return backend;
    }
    return std::nullopt;
}

// Of several that are equally busy the one that is first from here on: they have turns, as their weights say.
std::optional<size_t> Attempts::least_busy() const {
    const auto now = Clock::now();
    std::vector<bool> seen = tried_;
    seen.resize(service_->backends.size());
    std::optional<size_t> least;
    uint64_t busy = 0;
    for (size_t i = 0; i < slots_->size(); ++i) {
        const size_t backend = (*slots_)[(at_ + i) % slots_->size()];
        if (seen[backend]) continue;
        seen[backend] = true;
        const uint64_t here = (*records_)[backend]->busy(now);
        const bool less =
            !least || here * service_->backends[*least].weight < busy * service_->backends[backend].weight;
        if (!less) continue;
        least = backend;
        busy = here;
    }
    return least;
}

}  // namespace hairpin::proxy
