#include "engines/bpf/flow_table.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <bit>
#include <cstring>

namespace hairpin::bpf {
namespace {

constexpr uint64_t share_of_memory = 128;

// What a program made of the request; it is filled in. 0, where the kernel has no memory for that: as if there were
// nothing.
int ask(int program, hp_request& request) {
    bpf_test_run_opts run{};
    run.sz = sizeof run;
    run.ctx_in = &request;
    run.ctx_size_in = sizeof request;
    return ::bpf_prog_test_run_opts(program, &run) == 0 ? static_cast<int>(run.retval) : 0;
}

Result<uint32_t> entries_of(int fd) {
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return system_error("asking for the size of a map");
    return info.max_entries;
}

// Nothing: it is not taken. One that is vacated rests before it is filled again, so this is one half.
std::optional<hp_slot> live(const hp_slot& slot) {
    if (__atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != HP_LIVE) return {};
    return slot;
}

}  // namespace

uint32_t slots_for(uint64_t bytes_of_memory) {
    const uint64_t slots = bytes_of_memory / share_of_memory / sizeof(hp_slot);
    return static_cast<uint32_t>(std::bit_floor(std::clamp<uint64_t>(slots, HP_FEWEST_SLOTS, HP_MOST_SLOTS)));
}

template <class Value>
Result<MappedArray<Value>> MappedArray<Value>::open(int fd, uint32_t entries) {
    void* memory = ::mmap(nullptr, entries * sizeof(Value), PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return system_error("reading the kernel's table of flows");
    return MappedArray(static_cast<const Value*>(memory), entries);
}

template <class Value>
void MappedArray<Value>::Unmap::operator()(const Value* values) const {
    ::munmap(const_cast<Value*>(values), entries * sizeof(Value));
}

template class MappedArray<hp_slot>;
template class MappedArray<uint64_t>;

Result<FlowTable> FlowTable::open(const Descriptors& descriptors, KernelMap<hp_tuple, hp_half> beyond) {
    const auto entries = entries_of(descriptors.slots);
    if (!entries) return entries.error();
    auto slots = MappedArray<hp_slot>::open(descriptors.slots, *entries);
    if (!slots) return slots.error();
    auto in_use = MappedArray<uint64_t>::open(descriptors.in_use, *entries / 64);
    if (!in_use) return in_use.error();
    return FlowTable(descriptors, beyond, *std::move(slots), *std::move(in_use));
}

Result<uint32_t> FlowTable::now() const {
    hp_request request{};
    if (ask(descriptors_.tell_time, request) == 0) return system_error("asking the BPF program for the time");
    return request.half.seen;
}

std::optional<hp_half> FlowTable::get(const hp_tuple& key) const {
    hp_request request{};
    request.key = key;
    if (ask(descriptors_.look_up, request) == 0) return {};
    return request.half;
}

void FlowTable::remove_live(const hp_tuple& key, uint32_t began, uint32_t now) const {
    constexpr uint32_t future = 1U << 30;
    take_away(key, began, now + future, false);
}

void FlowTable::take_away(const hp_tuple& key, uint32_t began, uint32_t seen, bool orphan) const {
    hp_request request{};
    request.key = key;
    request.half.began = began;
    request.half.seen = seen;
    request.orphan = orphan;
    (void)ask(descriptors_.take_away, request);
}

Result<bool> FlowTable::visit(Cursor& cursor, size_t most, const Show& show) const {
    size_t seen = 0;
    for (; cursor.word < in_use_.size(); ++cursor.word) {
        if (seen >= most) return false;
        uint64_t bits = __atomic_load_n(&in_use_[cursor.word], __ATOMIC_ACQUIRE);
        for (; bits != 0; bits &= bits - 1) {
            const auto slot = live(slots_[size_t{cursor.word} * 64 + static_cast<size_t>(std::countr_zero(bits))]);
            if (slot) show(slot->key, slot->half);
            ++seen;
        }
    }
    auto last = beyond_.visit(cursor.beyond, most - std::min(seen, most), show);
    if (last && *last) cursor.word = 0;
    return last;
}

Result<> FlowTable::visit_all(const Show& show) const {
    Cursor cursor;
    const auto done = visit(cursor, SIZE_MAX, show);
    return done ? Result<>() : done.error();
}

}  // namespace hairpin::bpf
