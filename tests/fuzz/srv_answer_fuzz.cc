// parse_srv_answer() on any message: no crash, and targets that have a name.
#include <cstdint>
#include <cstdlib>

#include "discovery/srv_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto answer = hairpin::discovery::parse_srv_answer({data, size});
    if (!answer) return 0;
    for (const auto& record : answer->records) {
        if (record.target.empty() || record.target.size() > 1024) std::abort();
    }
    return 0;
}
