// A gateway whose checks come from the external address, and what is told of them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/test_lab.h"
#include "support/udp.h"

namespace hairpin {

// A service of each family.
struct Side {
    const char* name;
    Ip external;
    Endpoint service, first, second;
    const char* hairpinned;  // the host of the second backend
};
inline std::vector<Side> sides() {
    return {{"v4", *Ip::parse("1.0.0.1"), at("1.0.0.1:1044"), at("10.0.0.2:2044"), at("10.0.0.3:2044"), "server2"},
            {"v6", *Ip::parse("2001:db8::1"), at("[2001:db8::1]:1066"), at("[fd00::2]:2066"), at("[fd00::3]:2066"),
             "server4"}};
}

// A service, and a backend of it.
using Checked = std::pair<std::string, Endpoint>;
// A machine that is busy for a second is no reason for a backend to go down.
constexpr std::string_view times = "interval: 1s, timeout: 500ms, rise: 1, fall: 3";

class ChecksVia : public testing::TestWithParam<std::string> {
protected:
    static bool keeps_clients() { return abilities_of(GetParam()).foreign_source; }

    void serve(const std::string& yaml) {
        lab_ = std::make_unique<TestLab>(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
    }
    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }
    const lab::Host& host_of(const Endpoint& backend) const { return host_with(*lab_, backend); }
    std::string log() const { return (*lab_)->daemon_log(); }

    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_->socket()});
        return outcome_of(host("gateway"), arguments);
    }
    std::string backends(std::vector<std::string> options = {}) const {
        options.insert(options.begin(), "backends");
        return ask(options).output;
    }
    nlohmann::json backend(std::string_view service, const Endpoint& endpoint) const {
        const nlohmann::json told = nlohmann::json::parse(backends({"--json"}));
        for (const nlohmann::json& one : told.at("backends")) {
            if (one.at("service") == service && one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << endpoint.str() << " is not listed";
        return {};
    }
    testing::AssertionResult becomes(std::string_view service, const Endpoint& endpoint, std::string_view state) const {
        const bool came = wait_for([&] {
            const nlohmann::json now = backend(service, endpoint);
            return now.at("state") == state && now.at("serving") == (state == "up");
        });
        return came ? testing::AssertionSuccess()
                    : testing::AssertionFailure() << service << " is not " << state << "\n"
                                                  << backends() << log();
    }
    std::string events() const { return ask({"events", "--json"}).output; }
    // Whether an event of this kind comes whose message begins so, which the log says, too.
    bool is_told(std::string_view kind, const std::string& message) const {
        const std::string event = fmt::format(R"("kind":"{}","level":"{}","message":"{})", kind,
                                              kind.ends_with("impaired") ? "warning" : "info", message);
        return wait_for([&] { return events().find(event) != std::string::npos; }) && lab_->logs(message);
    }
    // Waits for so many more checks of each to pass in a row, while none goes down. A busy machine may make one fail:
    // then they are counted anew, for as long as it takes.
    testing::AssertionResult keep_passing(const std::vector<Checked>& all, int checks) const {
        bool up = true;
        std::vector<int> since(all.size(), std::numeric_limits<int>::max());
        const bool came = wait_for(
            [&] {
                bool enough = true;
                for (size_t i = 0; i < all.size(); ++i) {
                    const nlohmann::json now = backend(all[i].first, all[i].second);
                    up = up && now.at("state") == "up";
                    const int passed = now.at("reason") == nullptr ? now.at("in_a_row").get<int>() : 0;
                    since[i] = std::min(since[i], passed);
                    enough = enough && passed - since[i] >= checks;
                }
                return !up || enough;
            },
            6 * patience);
        return came && up ? testing::AssertionSuccess() : testing::AssertionFailure() << backends() << log();
    }
    // Waits until it is down for that reason.
    testing::AssertionResult is_accused(const Checked& checked, const std::string& reason) const {
        const bool came = wait_for([&] {
            const nlohmann::json now = backend(checked.first, checked.second);
            return now.at("state") == "down" && now.at("reason") == reason;
        });
        return came ? testing::AssertionSuccess() : testing::AssertionFailure() << backends() << log();
    }

    // What is said of a backend whose answers do not come as they should.
    static std::string complaint(const Side& side) {
        return fmt::format(
            "it answers the gateway, but not clients: what it sends to {} does not come back through this gateway{}; "
            "its default route, or policy routing, is to lead here",
            side.external.str(), keeps_clients() ? " on link int" : "");
    }

    std::unique_ptr<TestLab> lab_;
};

}  // namespace hairpin
