// What the lab shows: a picture of the network and a table of what was proven. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/names.h"
#include "lab/plan.h"

namespace hairpin::lab {

enum class Verdict : uint8_t { ok, failed, gap };

}  // namespace hairpin::lab

namespace hairpin {
template <>
inline constexpr auto names_of<lab::Verdict> = std::to_array<std::string_view>({"ok", "failed", "gap"});
}  // namespace hairpin

namespace hairpin::lab {

// One line of the table: a client asked an endpoint, and one backend answered, or should have.
struct Row {
    std::string path;
    std::string service;
    Protocol protocol = Protocol::tcp;
    std::string client;       // name of the host
    Endpoint client_address;  // port 0: nothing was sent
    Endpoint endpoint;
    std::string server;  // name of the host
    Endpoint backend;
    std::string seen;      // source that the backend saw; empty: it saw nothing
    std::string expected;  // source that it should see
    Verdict verdict = Verdict::failed;
    std::string message;  // why, where the verdict is not ok

    bool operator==(const Row&) const = default;
};

// True if nothing failed.
bool holds(std::span<const Row> rows);

std::string picture(const Plan& plan, bool colour);
std::string table(std::span<const Row> rows, bool colour);

// All of it for programs: {"holds", "hosts", "rows", "notes", "gaps"}. `gaps`: what the engine says it cannot do.
std::string json(const Plan& plan, std::span<const Row> rows, std::span<const std::string> gaps);

}  // namespace hairpin::lab
