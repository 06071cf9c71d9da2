#include "net/linux_version.h"

#include <sys/utsname.h>

#include <cstdio>

namespace hairpin {

std::pair<int, int> linux_version() {
    utsname system{};
    ::uname(&system);
    std::pair version(0, 0);
    (void)std::sscanf(system.release, "%d.%d", &version.first, &version.second);
    return version;
}

}  // namespace hairpin
