// parse_config() on any bytes: no crash, no long wait, and either services or errors.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const hairpin::Config config = hairpin::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
    if (config.services.empty() == config.errors.empty()) std::abort();
    for (const hairpin::Diagnostic& error : config.errors) {
        if (error.message.empty() || error.str().find('\n') != std::string::npos) std::abort();
    }
    // What was accepted once is accepted by every later check as well.
    if (config.errors.empty() && !hairpin::validate(config.services).empty()) std::abort();
    for (const hairpin::Config::Mark& mark : config.marks) {
        const bool has_service = mark.place.service < config.services.size();
        const bool is_default = mark.place.service == hairpin::Config::of_defaults;
        if (mark.line < 1 || mark.column < 1 || !(has_service || is_default)) std::abort();
    }
    return 0;
}
