// What operators and reloads have decided about backends, in a file: the daemon that begins next goes on with it, after
// an upgrade, a restart or a crash; and so does one that an upgrade has retired, for what still lives there.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "daemon/administration.h"
#include "daemon/departures.h"

namespace hairpin {

// A daemon was told to stop. What lives in those before it, which upgrades had retired by then, is to end by `by`.
struct Stop {
    Departures::Time at;
    Departures::Time by;

    bool is_over(Departures::Time now) const;  // each of those that live has heard it, and has ended
    bool operator==(const Stop&) const = default;
};

struct Orders {
    Administration administration;
    Departures departures;
    std::optional<Stop> stop = {};

    bool empty() const { return administration.empty() && departures.empty() && !stop; }
    bool operator==(const Orders&) const = default;
};

// {"backends": [{"service": "web", "backend": "10.0.0.2:80", "duty": "draining"}],
// "leaving": [{"service": "web", "backend": "10.0.0.3:80", "by": 1796000000000, "over": 1796000005000}],
// "stop": {"at": 1796000000000, "by": 1796000005000}}
// `backends` are those that are not ready, `stop` is there where one counts. Times are milliseconds since 1970, by a
// clock that is so far `ahead` of the steady one. Pure.
nlohmann::ordered_json to_json(const Orders& orders, Departures::Time::duration ahead);
Result<Orders> orders_from(const nlohmann::json& json, Departures::Time::duration ahead);

class OrderFile {
public:
    OrderFile() = default;  // keeps nothing
    // Where the daemon that answers at this socket keeps it: where systemd gives it a place for its state, or else
    // beside the socket. Nowhere, for who gives no orders: without a socket.
    static OrderFile of_socket(const std::string& path);

    // None where there is no file. Trusts no file that another user has put there.
    Result<Orders> read() const;
    // The file holds all of it or, after an error, what it held before.
    Result<> write(const Orders& orders) const;

private:
    explicit OrderFile(std::string path) : path_(std::move(path)) {}

    std::string path_;  // empty: none
};

}  // namespace hairpin
