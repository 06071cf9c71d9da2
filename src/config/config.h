// What a configuration file, or the same rules on the command line, comes down to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/service.h"
#include "model/topology.h"
#include "model/validate.h"

namespace hairpin {

// Where the running gateway can be asked.
struct ApiSettings {
    std::optional<std::string> socket;  // the path of a Unix socket; empty: none. Nothing: at the default place
    std::string group;                  // that may ask there, besides the gateway's user; empty: that user's own
    std::optional<Endpoint> listen;     // where it can be looked at over TCP; a loopback address

    bool operator==(const ApiSettings&) const = default;
};

// Settings of the whole gateway.
struct Settings {
    std::string engine = "proxy";
    int threads = 0;                                  // of the proxy engine; 0: one per core
    bool set_sysctls = false;                         // for engines in the kernel: not only check them
    std::chrono::milliseconds drain_timeout{30'000};  // live connections get this long after SIGTERM
    ApiSettings api = {};
    std::vector<Endpoint> resolvers = {};  // DNS servers; empty: those of the machine

    bool operator==(const Settings&) const = default;
};

// One thing wrong with a configuration, at its place: "hairpin.yaml:14:9: backends: ...".
struct Diagnostic {
    std::string origin;  // the file's name as given, or "argument N"
    int line = 0;        // from 1; 0: not a file, or the file as a whole
    int column = 0;      // from 1, in characters
    std::string message;

    std::string str() const;
    auto operator<=>(const Diagnostic&) const = default;
};

// A configuration, or everything wrong with it. It is used whole or refused whole.
struct Config {
    Settings settings;
    std::vector<Service> services;
    std::vector<Diagnostic> errors;  // sorted by place; empty: the configuration holds

    // Where a value of `services` was written, for diagnostics that only the running gateway can make (validate() with
    // a topology, the gaps of an engine). What a service does not give itself has its place in `defaults`.
    Diagnostic at(const Place& place, std::string message) const;

    static constexpr size_t of_defaults = SIZE_MAX;
    struct Mark {
        Place place;        // its service: of_defaults, where all services have it from there
        int line = 0;       // of a rule: the number of its argument
        int column = 0;     // of a rule: 0
        std::string label;  // what a message calls it: "srv1", "backends[1]", "'RULE': backends[1]"
    };
    std::string origin;
    std::vector<Mark> marks;  // sorted by place
};

// Reads YAML text. `origin` is the file's name in diagnostics. Bounded in time and memory whatever the text.
Config parse_config(std::string_view text, std::string origin);

// Reads a file; one that cannot be read, or is larger than 32 MiB, gives a Config with that one error.
// `text` gets what was read, for a path that can be read only once, such as a pipe.
Config load_config(const std::string& path, std::string* text = nullptr);

// Reads rules of the form ENDPOINT=BACKEND[,BACKEND...][/udp|/both] as given on the command line.
Config parse_rules(std::span<const std::string> rules);

}  // namespace hairpin
