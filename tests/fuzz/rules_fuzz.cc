// parse_rules() on any arguments, one a line: no crash, and either services or errors.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> rules;
    for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        rules.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    rules.emplace_back(text);

    const hairpin::Config config = hairpin::parse_rules(rules);
    if (config.services.empty() == config.errors.empty()) std::abort();
    if (config.errors.empty() && config.services.size() != rules.size()) std::abort();
    for (const hairpin::Diagnostic& error : config.errors) {
        if (error.str().find('\n') != std::string::npos) std::abort();
    }
    return 0;
}
