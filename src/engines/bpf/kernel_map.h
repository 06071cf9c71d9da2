// A map of the kernel's half, with the types that it holds.
#pragma once

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engines/bpf/compile.h"

namespace hairpin::bpf {

// Does not own the descriptor. Any thread.
template <class Key, class Value>
class KernelMap {
public:
    KernelMap(int fd, const char* name) : fd_(fd), name_(name) {}

    Result<> put(const Key& key, const Value& value) const {
        if (::bpf_map_update_elem(fd_, &key, &value, BPF_ANY) == 0) return {};
        if (errno == E2BIG || errno == ENOSPC) return Error{std::string("the kernel's table ") + name_ + " is full"};
        return system_error(std::string("filling ") + name_);
    }
    std::optional<Value> get(const Key& key) const {
        Value value;
        if (::bpf_map_lookup_elem(fd_, &key, &value) != 0) return {};
        return value;
    }
    void remove(const Key& key) const { (void)::bpf_map_delete_elem(fd_, &key); }  // one that is gone is as good

    // Shows what there is from `cursor` on, about `most` at most; true: that was the last of it, and `cursor` is at the
    // beginning again. What comes and goes meanwhile may be shown or not.
    struct Cursor {
        std::array<std::byte, std::max(sizeof(Key), sizeof(uint32_t))> position{};  // a bucket's number, or a key
        bool begun = false;
    };
    Result<bool> visit(Cursor& cursor, size_t most, const std::function<void(const Key&, const Value&)>& show) const {
        constexpr uint32_t batch = 4096;  // more than any bucket holds
        std::vector<Key> keys(batch);
        std::vector<Value> values(batch);
        for (size_t seen = 0; seen < most;) {
            uint32_t count = batch;
            Cursor next;
            const int status =
                ::bpf_map_lookup_batch(fd_, cursor.begun ? cursor.position.data() : nullptr, next.position.data(),
                                       keys.data(), values.data(), &count, nullptr);
            const bool last = status != 0 && errno == ENOENT;
            if (status != 0 && !last) return system_error(std::string("reading ") + name_);
            for (uint32_t i = 0; i < count; ++i) show(keys[i], values[i]);
            next.begun = !last;
            cursor = next;
            if (last) return true;
            seen += count;
        }
        return false;
    }
    Result<> visit_all(const std::function<void(const Key&, const Value&)>& show) const {
        Cursor cursor;
        const auto done = visit(cursor, SIZE_MAX, show);
        return done ? Result<>() : done.error();
    }

    Result<Table<Key, Value>> all() const {
        Table<Key, Value> table;
        const auto done = visit_all([&](const Key& key, const Value& value) { table.emplace(key, value); });
        if (!done) return done.error();
        return table;
    }

private:
    int fd_;
    const char* name_;
};

}  // namespace hairpin::bpf
