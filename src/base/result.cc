#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace hairpin {

std::string describe_errno(int error_number) {
    const char* known = strerrordesc_np(error_number);
    return known ? known : "error " + std::to_string(error_number);
}

Error system_error(std::string_view doing, int error_number) {
    return {std::string(doing) + ": " + describe_errno(error_number)};
}

Error system_error(std::string_view doing) { return system_error(doing, errno); }

}  // namespace hairpin
