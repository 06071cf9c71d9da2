// The backends that one connection or session is tried with, one after the other, each once.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engines/proxy/backend_record.h"
#include "model/balance.h"
#include "model/service.h"
#include "model/translate.h"

namespace hairpin::proxy {

class Attempts {
public:
    // Those that the slots name, from the slot `first` on.
    Attempts(std::shared_ptr<const Slots> slots, size_t first) : slots_(std::move(slots)), at_(first) {}
    // The same, but those first that are least busy for their weight. Both must last as long.
    Attempts(std::shared_ptr<const Slots> slots, size_t first, const Service& service, const BackendRecords& records)
        : slots_(std::move(slots)), at_(first), service_(&service), records_(&records) {}

    // Where all of these have been tried, those that these slots name, from `first` on.
    void then(std::shared_ptr<const Slots> rest, size_t first) {
        rest_ = std::move(rest);
        first_of_rest_ = first;
    }

    bool none() const { return slots_->empty(); }  // there is nobody to try
    // Nothing: all of them have been tried.
    std::optional<Choice> next();

private:
    std::optional<size_t> next_in_turn();
    std::optional<size_t> least_busy() const;
    bool is_tried(size_t backend) const { return backend < tried_.size() && tried_[backend]; }

    std::shared_ptr<const Slots> slots_;
    std::shared_ptr<const Slots> rest_;
    size_t first_of_rest_ = 0;
    size_t at_;
    size_t passed_ = 0;
    std::vector<bool> tried_;
    const Service* service_ = nullptr;  // null: how busy they are does not count
    const BackendRecords* records_ = nullptr;
};

// Why, then.
inline constexpr std::string_view nobody_takes_flows =
    "all backends are down or taken out, or take no new flows (weight: 0)";

}  // namespace hairpin::proxy
