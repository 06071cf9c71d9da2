// The lab of the tests with real programs, and who asks in it: one client on each path to the backend on server1.
//
//                        ╭─ gateway ────────────╮             ╭─ server1 ──╮
//   ╭─ client ──────╮    │ ext              int ├── switch ─┬─┤ 10.0.0.2   │
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 │           │ ╭─ server2 ──╮
//   ╰───────────────╯    │                      │           ╰─┤ 10.0.0.3   │
//                        │                 int2 │             ╭─ routed ───╮
//                        │             10.0.1.1 ├─────────────┤ 10.0.1.100 │
//                        ╰──────────────────────╯             ╰────────────╯
#pragma once

#include <array>

#include "model/path.h"

namespace hairpin {

struct Client {
    Path path;
    const char* host;
    const char* address;
};
inline constexpr auto clients = std::to_array<Client>({
    {Path::external, "client", "1.0.0.100"},
    {Path::routed, "routed", "10.0.1.100"},
    {Path::peer, "server2", "10.0.0.3"},
    {Path::self, "server1", "10.0.0.2"},
    {Path::local, "gateway", "1.0.0.1"},
});

}  // namespace hairpin
