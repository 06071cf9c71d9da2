#include "net/sysctl.h"

#include <algorithm>
#include <fstream>

namespace hairpin {
namespace {

std::string path_of(std::string_view key) {
    std::string path(key);
    const size_t separator = path.find_first_of("./");
    if (separator != path.npos && path[separator] == '.') std::ranges::replace(path, '.', '/');
    return "/proc/sys/" + path;
}

}  // namespace

Result<std::string> read_sysctl(std::string_view key) {
    std::ifstream file(path_of(key));
    std::string value;
    if (!std::getline(file, value)) return system_error("reading " + std::string(key));
    return value;
}

Result<> write_sysctl(std::string_view key, std::string_view value) {
    std::ofstream file(path_of(key));
    file << value << std::flush;
    if (!file) return system_error("setting " + std::string(key) + " to " + std::string(value));
    return {};
}

}  // namespace hairpin
