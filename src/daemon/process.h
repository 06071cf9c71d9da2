// What the daemon asks of the system for itself: signals, descriptors, its place under systemd.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace hairpin {

// Keeps SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 and SIGIO for wait_for_signal(), and ignores SIGPIPE.
// Threads inherit this: call before the first one starts.
void take_signals();

// Has wait_for_signal() return SIGUSR2: another thread has something for the daemon's. Any thread.
void wake_daemon();

// The next of those signals; nothing once the time is over. Without a timeout it waits for ever.
std::optional<int> wait_for_signal(std::optional<std::chrono::milliseconds> timeout = {});

// "SIGTERM"
std::string signal_name(int signal);

// Allows this process as many descriptors as the system lets it have, and says how many those are.
Result<uint64_t> raise_descriptor_limit();

// Whether closed connections leave their source ports free for new ones at once (net.ipv4.tcp_tw_reuse = 1).
bool reuses_closed_ports();

// The folder that such a variable names, RUNTIME_DIRECTORY for one: systemd gives a list, of which the first is ours.
// Empty: it is not set.
std::string folder_in(const char* variable);

// Tells systemd, where it listens; see sd_notify(3) for the assignments.
void notify_systemd(const std::string& state);
void notify_reloading();  // until READY=1

// How often systemd's watchdog is to hear WATCHDOG=1: twice in WatchdogSec=. Nothing: it does not watch.
std::optional<std::chrono::milliseconds> watchdog_interval();

}  // namespace hairpin
