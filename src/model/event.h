// What happens to a running gateway, for its operators and their scripts. docs/events.md says what each kind means.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"

namespace hairpin {

enum class EventKind : uint8_t {
    // the daemon
    ready,
    upgrade_begun,
    upgrade_failed,
    upgraded,
    stopping,
    stopped,
    // the configuration
    reloaded,
    reload_refused,
    restart_needed,
    // a backend
    backend_up,
    backend_down,
    backend_drained,
    backend_undrained,
    backend_disabled,
    backend_enabled,
    connections_reset,
    // a service
    panic_begun,
    panic_ended,
    service_impaired,
    service_restored,
    checks_impaired,
    checks_restored,
    limit_met,
    gap,
    // what is around
    link_served,
    link_unserved,
    name_resolved,
    name_unresolved,
    network_changed,
    // the engine
    change_failed,
    change_followed,
    engine,
    // the reader
    missed,
};
template <>
inline constexpr auto names_of<EventKind> = std::to_array<std::string_view>({"ready",
                                                                             "upgrade_begun",
                                                                             "upgrade_failed",
                                                                             "upgraded",
                                                                             "stopping",
                                                                             "stopped",
                                                                             "reloaded",
                                                                             "reload_refused",
                                                                             "restart_needed",
                                                                             "backend_up",
                                                                             "backend_down",
                                                                             "backend_drained",
                                                                             "backend_undrained",
                                                                             "backend_disabled",
                                                                             "backend_enabled",
                                                                             "connections_reset",
                                                                             "panic_begun",
                                                                             "panic_ended",
                                                                             "service_impaired",
                                                                             "service_restored",
                                                                             "checks_impaired",
                                                                             "checks_restored",
                                                                             "limit_met",
                                                                             "gap",
                                                                             "link_served",
                                                                             "link_unserved",
                                                                             "name_resolved",
                                                                             "name_unresolved",
                                                                             "network_changed",
                                                                             "change_failed",
                                                                             "change_followed",
                                                                             "engine",
                                                                             "missed"});

// One that has happened. Whoever tells of it gives what it knows; what is left empty does not apply.
struct Event {
    enum class Level : uint8_t { info, warning, error };

    std::optional<EventKind> kind = {};  // nothing: it is for the log alone, as what befalls single flows
    Level level = Level::info;
    std::string message = {};  // for people: a line of the log

    // What it is about.
    std::string service = {};
    std::string backend = {};  // ADDRESS:PORT or ADDRESS:PORTS
    std::string link = {};
    std::string name = {};   // in DNS
    std::string limit = {};  // of the service, as in the configuration
    // More of it.
    std::string reason = {};                  // why
    std::string by = {};                      // who has found it out, or has asked for it
    std::vector<std::string> addresses = {};  // that a link bears, or a name stands for
    std::vector<std::string> reasons = {};    // against a configuration
};
template <>
inline constexpr auto names_of<Event::Level> = std::to_array<std::string_view>({"info", "warning", "error"});

}  // namespace hairpin
