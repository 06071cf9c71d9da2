#include "daemon/process.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "net/sysctl.h"

namespace hairpin {
namespace {

sigset_t taken_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGIO}) sigaddset(&set, signal);
    return set;
}

}  // namespace

void take_signals() {
    const sigset_t set = taken_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

std::string folder_in(const char* variable) {
    const char* value = std::getenv(variable);
    if (!value) return {};
    const std::string folders = value;
    return folders.substr(0, folders.find(':'));
}

void wake_daemon() { kill(getpid(), SIGUSR2); }

std::optional<int> wait_for_signal(std::optional<std::chrono::milliseconds> timeout) {
    const sigset_t set = taken_signals();
    timespec time{};
    if (timeout) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
        time.tv_sec = seconds.count();
        time.tv_nsec = std::chrono::nanoseconds(*timeout - seconds).count();
    }
    for (;;) {
        const int signal = timeout ? sigtimedwait(&set, nullptr, &time) : sigwaitinfo(&set, nullptr);
        if (signal > 0) return signal;
        if (timeout) return std::nullopt;  // over, or interrupted: the caller looks at its clock
    }
}

std::string signal_name(int signal) {
    const char* name = sigabbrev_np(signal);
    return name ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

Result<uint64_t> raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return system_error("reading the limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return system_error("raising the limit of descriptors");
    return uint64_t{limit.rlim_cur};
}

bool reuses_closed_ports() {
    const auto value = read_sysctl("net.ipv4.tcp_tw_reuse");
    return value && *value == "1";
}

void notify_systemd(const std::string& state) { sd_notify(0, state.c_str()); }

// sd_notify(3) orders reloads by this clock.
void notify_reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_systemd(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

std::optional<std::chrono::milliseconds> watchdog_interval() {
    uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
    return std::chrono::milliseconds(microseconds / 1000 / 2);
}

}  // namespace hairpin
