#include "engines/proxy/attempts.h"

namespace hairpin::proxy {

std::optional<Choice> Attempts::next() {
    for (; passed_ < slots_->size(); ++passed_) {
        const size_t backend = (*slots_)[(at_ + passed_) % slots_->size()];
        if (backend >= tried_.size()) tried_.resize(backend + 1);
        if (tried_[backend]) continue;
        tried_[backend] = true;
        return Choice{backend};
    }
    return std::nullopt;
}

}  // namespace hairpin::proxy
