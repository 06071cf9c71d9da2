// The table of the halves of flows (kern/table.h) as the daemon sees it: read where it lies, changed by asking the
// kernel's half, so that a daemon that is killed leaves nothing half done, and what has changed meanwhile stays.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engines/bpf/kernel_map.h"

namespace hairpin::bpf {

// How many slots a machine of so much memory gets: they take a 128th of it. A power of two.
uint32_t slots_for(uint64_t bytes_of_memory);

// Memory of a map of the kernel's.
template <class Value>
class MappedArray {
public:
    static Result<MappedArray> open(int fd, uint32_t entries);
    const Value& operator[](size_t index) const { return values_.get()[index]; }
    uint32_t size() const { return values_.get_deleter().entries; }

private:
    struct Unmap {
        uint32_t entries = 0;
        void operator()(const Value* values) const;
    };
    explicit MappedArray(const Value* values, uint32_t entries) : values_(values, Unmap{entries}) {}
    std::unique_ptr<const Value, Unmap> values_;
};

// Borrows descriptors. One thread.
class FlowTable {
public:
    struct Descriptors {
        int slots;
        int in_use;
        int look_up;  // programs
        int take_away;
        int tell_time;
    };
    static Result<FlowTable> open(const Descriptors& descriptors, KernelMap<hp_tuple, hp_half> beyond);

    // The tick that it is: only the kernel's half knows.
    Result<uint32_t> now() const;

    std::optional<hp_half> get(const hp_tuple& key) const;

    // Takes a flow away, by the key of either half, if it is still the one that began then and has not been seen after
    // `seen`. `orphan`: only if it has no other half. What it carried is added to what its service has.
    void remove(const hp_tuple& key, uint32_t began, uint32_t seen) const { take_away(key, began, seen, false); }
    void remove_orphan(const hp_tuple& key, uint32_t began, uint32_t seen) const { take_away(key, began, seen, true); }
    void remove_live(const hp_tuple& key, uint32_t began, uint32_t now) const;  // whenever it was seen

    // As those of KernelMap.
    struct Cursor {
        uint32_t word = 0;
        KernelMap<hp_tuple, hp_half>::Cursor beyond;
    };
    using Show = std::function<void(const hp_tuple&, const hp_half&)>;
    Result<bool> visit(Cursor& cursor, size_t most, const Show& show) const;
    Result<> visit_all(const Show& show) const;

private:
    void take_away(const hp_tuple& key, uint32_t began, uint32_t seen, bool orphan) const;
    FlowTable(const Descriptors& descriptors, KernelMap<hp_tuple, hp_half> beyond, MappedArray<hp_slot> slots,
              MappedArray<uint64_t> in_use)
        : descriptors_(descriptors), beyond_(beyond), slots_(std::move(slots)), in_use_(std::move(in_use)) {}

    Descriptors descriptors_;
    KernelMap<hp_tuple, hp_half> beyond_;
    MappedArray<hp_slot> slots_;
    MappedArray<uint64_t> in_use_;
};

}  // namespace hairpin::bpf
