// Where services are counted: each has a slot of the kernel's table of counts, under its name, and keeps it, so that it
// goes on where it stopped.
#pragma once

#include <string>
#include <unordered_map>

#include "engines/bpf/sweeper.h"
#include "engines/engine.h"

namespace hairpin::bpf {

// One thread.
class ServiceSlots {
public:
    ServiceSlots() = default;
    explicit ServiceSlots(const Table<uint32_t, hp_counts>& counts);  // those that a daemon before us has made

    // A slot for each service that has none.
    Result<> make(const KernelMap<uint32_t, hp_counts>& counts, const Desired& desired);

    uint32_t of(const Service& service) const { return slots_.at(service.name); }  // precondition: made
    std::string name_of(uint32_t slot) const;                                      // empty: nobody's
    Rests rests(uint32_t slot) const;

private:
    std::unordered_map<std::string, uint32_t> slots_;  // by service
    std::unordered_map<uint32_t, std::string> names_;  // by slot
    std::unordered_map<uint32_t, Rests> rests_;        // by slot
};

}  // namespace hairpin::bpf
