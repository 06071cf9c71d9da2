#include "engines/bpf/service_slots.h"

#include <fmt/format.h>

#include <algorithm>

namespace hairpin::bpf {

ServiceSlots::ServiceSlots(const Table<uint32_t, hp_counts>& counts) {
    for (const auto& [slot, count] : counts) {
        slots_.emplace(count.name, slot);
        names_.emplace(slot, count.name);
    }
}

Result<> ServiceSlots::make(const KernelMap<uint32_t, hp_counts>& counts, const Desired& desired) {
    uint32_t next = 0;
    for (const auto& [slot, name] : names_) next = std::max(next, slot + 1);
    for (const Service& service : desired.ruleset.services()) {
        if (service.name.size() >= HP_NAME) {
            return Error{fmt::format("service {}: names have {} letters at most", service.name, HP_NAME - 1)};
        }
        const auto [known, is_new] = slots_.try_emplace(service.name, next);
        if (is_new) {
            hp_counts none{};
            service.name.copy(none.name, sizeof none.name - 1);
            if (auto put = counts.put(next, none); !put) {
                slots_.erase(known);
                return put;
            }
            names_.emplace(next++, service.name);
        }
        rests_[known->second] = {service.idle_timeout, service.tcp_idle_timeout.value_or(Rests{}.established)};
    }
    return {};
}

std::string ServiceSlots::name_of(uint32_t slot) const {
    const auto known = names_.find(slot);
    return known != names_.end() ? known->second : std::string();
}

Rests ServiceSlots::rests(uint32_t slot) const {
    const auto known = rests_.find(slot);
    return known != rests_.end() ? known->second : Rests{};
}

}  // namespace hairpin::bpf
