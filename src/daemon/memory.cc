#include "daemon/memory.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <new>

namespace hairpin {

void within_memory(std::string_view what, const std::function<void()>& work) {
    try {
        work();
    } catch (const std::bad_alloc&) {
        spdlog::error("{} refused: out of memory", what);
    }
}

void give_back_memory() { malloc_trim(0); }

}  // namespace hairpin
