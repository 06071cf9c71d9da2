// What daemons leave for each other beside the API's socket: orders, for the one that comes next and for those that an
// upgrade has retired; and what lives in these, for the one that serves.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/order_file.h"
#include "daemon/retired_flows.h"

namespace hairpin {

// One thread uses it. What cannot be read or written is logged once, and tried again at each call.
class Notes {
public:
    Notes() = default;  // tells nobody
    // `socket`: the API's; empty: likewise.
    explicit Notes(const std::string& socket) : orders_(OrderFile::of_socket(socket)), retired_flows_(socket) {}

    // What the daemon before us was told.
    const Orders& remember();
    // Keeps this for the next one, where it is not kept already.
    void keep(Orders now);
    const Orders& kept() const { return kept_; }

    // Another process serves from now on: tells it what lives here, and hears what it is told; nothing: that cannot be
    // read now.
    void retire(Engine& engine);
    void tell(Engine& engine);
    std::optional<Orders> hear();
    // It did not come to serve, but may have left word already.
    void serve_again();
    // Since when; nothing: we serve.
    std::optional<std::chrono::steady_clock::time_point> retired_at() const { return retired_at_; }

    const FlowCounts& living() const { return living_.living().counts; }  // here, as last told
    Living retired_flows() const { return retired_flows_.read(); }        // in processes before us
    bool any_retired() const { return retired_flows_.any(); }             // of those that live

private:
    struct Trouble {
        void note(const Result<>& done, std::string_view consequence);
        bool told = false;
    };

    OrderFile orders_;
    Orders kept_;  // what that file holds
    RetiredFlows retired_flows_;
    LivingFlows living_;
    std::optional<std::chrono::steady_clock::time_point> retired_at_;
    Trouble keeping_;
    Trouble hearing_;
    Trouble telling_;
};

}  // namespace hairpin
