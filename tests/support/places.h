// Who may ask a service of either family, and as whom a translating engine shows them to its backend.
//
//   ╭─ client ──────╮    ╭─ gateway ──────────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100     ├────┤ 1.0.0.1      10.0.0.1  │           ╭───┤ 10.0.0.2   │  backend
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1   ├── switch ─┤   ╭─ server2 ──╮
//   ╰───────────────╯    ╰────────────────────────╯           ├───┤ fd00::2    │  backend
//                                                             │   ╭─ peer ─────╮
//                                                             ╰───┤ 10.0.0.50  │
//                                                                 │ fd00::50   │
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>

namespace hairpin {

inline constexpr std::string_view one_service_a_family = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: both}
)";

struct Place {
    const char* name;
    const char* client;  // its address
    const char* service;
    const char* backend;
    const char* seen;  // address; the port is any
};
inline void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }
inline std::string name_of_place(const testing::TestParamInfo<Place>& info) { return info.param.name; }

inline constexpr Place external_v4{"external_v4", "1.0.0.100", "1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.100"};
inline constexpr Place peer_v4{"peer_v4", "10.0.0.50", "1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.1"};
inline constexpr Place self_v4{"self_v4", "10.0.0.2", "1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.1"};
inline constexpr Place local_v4{"local_v4", "1.0.0.1", "1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.1"};
inline constexpr Place external_v6{"external_v6", "2001:db8::100", "[2001:db8::1]:1066", "[fd00::2]:2066",
                                   "2001:db8::100"};
inline constexpr Place peer_v6{"peer_v6", "fd00::50", "[2001:db8::1]:1066", "[fd00::2]:2066", "2001:db8::1"};
inline constexpr Place self_v6{"self_v6", "fd00::2", "[2001:db8::1]:1066", "[fd00::2]:2066", "2001:db8::1"};
inline constexpr Place local_v6{"local_v6", "2001:db8::1", "[2001:db8::1]:1066", "[fd00::2]:2066", "2001:db8::1"};

}  // namespace hairpin
