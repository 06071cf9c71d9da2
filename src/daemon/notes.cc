#include "daemon/notes.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace hairpin {

const Orders& Notes::remember() {
    if (auto kept = orders_.read()) {
        kept_ = *std::move(kept);
    } else {
        spdlog::warn("earlier orders about backends are not known: {}", kept.error().message);
    }
    return kept_;
}

void Notes::keep(Orders now) {
    if (now == kept_) return;
    const auto kept = orders_.write(now);
    if (kept) kept_ = std::move(now);
    keeping_.note(kept, "the next daemon will not know which backends are taken out or leaving");
}

void Notes::retire(Engine& engine) {
    tell(engine);
    retired_at_ = std::chrono::steady_clock::now();
}

void Notes::tell(Engine& engine) {
    const auto counted = living_.look(engine, retired_at_.has_value());
    telling_.note(counted ? retired_flows_.tell(living_.living()) : counted,
                  "`hairpin flows` and `hairpin drain --wait` do not know what lives in this process");
}

std::optional<Orders> Notes::hear() {
    auto orders = orders_.read();
    hearing_.note(orders ? Result<>() : orders.error(), "no order reaches what lives in this process");
    return orders ? std::optional(*std::move(orders)) : std::nullopt;
}

void Notes::serve_again() {
    const auto left = orders_.read();
    kept_ = left ? *left : Orders();
    retired_at_.reset();
    retired_flows_.take_back();
}

void Notes::Trouble::note(const Result<>& done, std::string_view consequence) {
    if (!done && !told) spdlog::warn("{}, unless this comes to work: {}", consequence, done.error().message);
    told = !done;
}

}  // namespace hairpin
