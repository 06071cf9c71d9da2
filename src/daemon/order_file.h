// What operators have decided about backends, in a file: the daemon that begins next goes on with it, after an upgrade,
// a restart or a crash.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "daemon/administration.h"

namespace hairpin {

// {"backends": [{"service": "web", "backend": "10.0.0.2:80", "duty": "draining"}]}, of those that are not ready. Pure.
nlohmann::ordered_json to_json(const Administration& administration);
Result<Administration> administration_from(const nlohmann::json& json);

class OrderFile {
public:
    OrderFile() = default;  // keeps nothing
    // Where the daemon that answers at this socket keeps it: where systemd gives it a place for its state, or else
    // beside the socket. Nowhere, for who gives no orders: without a socket.
    static OrderFile of_socket(const std::string& path);

    // None where there is no file. Trusts no file that another user has put there.
    Result<Administration> read() const;
    // The file holds all of it or, after an error, what it held before.
    Result<> write(const Administration& administration) const;

private:
    explicit OrderFile(std::string path) : path_(std::move(path)) {}
    Result<std::string> content() const;

    std::string path_;  // empty: none
};

}  // namespace hairpin
