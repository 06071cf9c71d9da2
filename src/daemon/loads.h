// What became of the configurations that were read: logged, and kept for who asks.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hairpin {

// What became of one reload.
struct Reload {
    std::vector<std::string> reasons;  // why nothing has changed; empty: it is served now
    std::string serving;               // what is served, "2 services on 3 endpoints"
};

inline constexpr std::string_view nothing_to_reload = "nothing to reload, the services were given on the command line";

// The daemon's thread.
class Loads {
public:
    using Time = std::chrono::system_clock::time_point;
    struct Refusal {
        Time at;
        std::vector<std::string> reasons;
    };

    void begin() { reasons_.clear(); }  // another one is read

    // Whether nothing stands against it, so far: each reason is logged as an error, and is one if it is refused.
    bool holds(const std::vector<std::string>& reasons);

    void accept(const std::string& origin);  // it is served now; empty: it comes from the command line
    void refuse();                           // everything stays as it was

    const std::string& origin() const { return origin_; }  // of the one that is served
    Time loaded_at() const { return loaded_at_; }
    const std::optional<Refusal>& refused() const { return refused_; }  // the last one, if that was refused

private:
    std::string origin_;
    Time loaded_at_;
    std::optional<Refusal> refused_;
    std::vector<std::string> reasons_;  // against the one that is being read
};

}  // namespace hairpin
