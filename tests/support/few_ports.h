// A gateway whose engine has few source ports to give.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "support/kernel_engines.h"

namespace hairpin {

// Those at the end: 65532 to 65535 are four. The text ends with services of 1.0.0.1, and 10.0.0.3 is one of the
// backends. No engine gives out what is published; those of bpf do not either what the kernel gives to clients of its
// own, and a range is an entry for each of its ports to them.
inline TestLab lab_with_ports(int number, std::string_view yaml, const std::string& engine) {
    const int last = 65535 - number;
    if (is_bpf(engine)) {
        const auto set = fmt::format("echo 1024 {} > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"", last);
        return TestLab(yaml, engine, TestLab::Backends::none, {"sh", "-c", set, "sh"});
    }
    const auto rest = fmt::format(
        "  rest: {{listen: \"1.0.0.1:1024-{0}\", backends: \"10.0.0.3:1024-{0}\", protocol: both}}\n", last);
    return TestLab(std::string(yaml) + rest, engine, TestLab::Backends::none);
}

}  // namespace hairpin
