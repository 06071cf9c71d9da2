#include "environment.h"

#include <fmt/chrono.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

#include "net/sysctl.h"
#include "shell.h"

namespace hairpin::bench {
namespace {

std::string cpu_model() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

}  // namespace

Environment Environment::now() {
    utsname system{};
    uname(&system);
    Environment environment;
    environment.date = fmt::format("{:%F}", fmt::gmtime(std::time(nullptr)));
    environment.kernel = fmt::format("{} {}", system.sysname, system.release);
    environment.cpu = cpu_model();
    environment.cores = std::thread::hardware_concurrency();
    if (const auto read = read_sysctl("net.ipv4.tcp_congestion_control")) environment.congestion_control = *read;
    std::ifstream("/proc/loadavg") >> environment.load;
    environment.rivals = printed_by("dpkg-query -W -f '${Package} ${Version}, ' haproxy nginx nftables wrk iperf3");
    environment.rivals.resize(environment.rivals.find_last_not_of(", ") + 1);
    return environment;
}

}  // namespace hairpin::bench
