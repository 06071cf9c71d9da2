// The log: one line per event on stderr. Only daemon and cli write to it; what lies below reports through results.
#pragma once

#include "base/result.h"

namespace hairpin {

// Points spdlog's default logger at stderr. A line is "2026-11-22 23:42:57.123 warning message"; where stderr is the
// systemd journal, which keeps the time itself, it is the message after its priority in the form of sd-daemon(3).
// Levels are coloured where wants_colour() says so. Call once, before the first thread.
void start_log();

// From now on a thread writes the lines, and whoever logs goes on at once: a reader of stderr that has stopped, as a
// terminal does at Ctrl-S, must not stop what is served. Where it takes nothing for long, the oldest lines are lost.
Result<> queue_log();

// Waits until the lines so far are written, before the process ends. False: stderr takes nothing, and exit() would wait
// for it, too.
bool finish_log();

}  // namespace hairpin
