#include "engines/proxy/context.h"

#include "engines/proxy/session.h"

namespace hairpin::proxy {

Context::Context(size_t worker_index, LoopGuard& loop_guard) : worker(worker_index), guard(loop_guard) {}

Context::~Context() = default;

void Context::make_room() {
    const auto extend = [](auto& list, size_t size) {
        if (list.capacity() < size) list.reserve(2 * size);
    };
    const size_t alive = sessions.size() + 1;
    extend(sessions, alive);
    extend(ended, ended.size() + alive);
    extend(again, ended.size() + alive);
}

}  // namespace hairpin::proxy
