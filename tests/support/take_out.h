// A lab in which backends are taken out of service, over the real commands; each connection is held at both ends.
//
//   client 1.0.0.100, peer 10.0.0.50 ── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  taken out
//                                                              ╰── server2 10.0.0.3:2044
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/socket.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {

class TakeOut : public testing::TestWithParam<std::string> {
protected:
    static inline const Endpoint service = at("1.0.0.1:1044");
    static inline const Endpoint first = at("10.0.0.2:2044");
    static inline const Endpoint second = at("10.0.0.3:2044");

    static std::string yaml(std::string_view keys = "", std::string_view backends = "10.0.0.2:2044, 10.0.0.3:2044") {
        return fmt::format("services:\n  srv: {{listen: 1.0.0.1:1044, backends: [{}], protocol: both{}}}\n", backends,
                           keys);
    }

    void start(const std::string& text = yaml()) {
        lab_.emplace(text, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        one_ = listen_on(host("server1"), first);
        other_ = listen_on(host("server2"), second);
    }
    const TestLab& lab() const { return *lab_; }
    const lab::Host& host(std::string_view name) const { return lab()->host(name); }

    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab().socket()});
        return outcome_of(host("gateway"), arguments);
    }
    void order(const std::string& order, const std::string& backend = first.str()) const {
        const Outcome outcome = ask({order, backend});
        ASSERT_EQ(outcome.status, 0) << outcome.output << lab()->daemon_log();
    }
    nlohmann::json backend(const Endpoint& endpoint) const {
        const Outcome told = ask({"backends", "--json"});
        const auto list = nlohmann::json::parse(told.output, nullptr, false);
        for (const auto& one : list.at("backends")) {
            if (one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << told.output;
        return {};
    }

    // A live connection of a client to one of the backends.
    Conversation converse_with(const char* client, const Endpoint& backend) const {
        for (int i = 0; i < 4; ++i) {
            Meeting meeting = meet(host(client), service, {&one_, &other_});
            if (!meeting.conversation) break;
            if (local_endpoint(meeting.conversation->backend.get()) == backend) return *std::move(meeting.conversation);
        }
        ADD_FAILURE() << client << " is not led to " << backend.str();
        return {};
    }
    // How many of some new connections reach the first backend; nobody is refused.
    int led_to_first(const char* client) const {
        int count = 0;
        for (int i = 0; i < 4; ++i) {
            const Meeting meeting = meet(host(client), service, {&one_, &other_});
            EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with) << lab()->daemon_log();
            if (meeting.conversation) count += local_endpoint(meeting.conversation->backend.get()) == first;
        }
        return count;
    }

    // A proxy resets both ends. Where packets were translated, either is reset when it next says something.
    static void expect_cut(const Conversation& made) {
        for (const Fd* end : {&made.client, &made.backend}) {
            if (GetParam() != "proxy") send_all(*end, "anybody there?");
            EXPECT_EQ(receive_to_end(*end).error, ECONNRESET) << (end == &made.client ? "client" : "backend");
        }
    }

    // The daemon, or one that it has handed over to, has reset so many connections to this backend.
    void expect_told_of_cut(const Endpoint& backend, int connections = 1) const {
        const std::string told = fmt::format("service srv: backend {}: {} live connection{} reset", backend.str(),
                                             connections, connections == 1 ? " was" : "s were");
        EXPECT_TRUE(lab()->daemon().wait_for_output(told, 3 * patience)) << told << "\n" << lab()->daemon_log();
    }

    Fd one_, other_;

private:
    std::optional<TestLab> lab_;
};

}  // namespace hairpin
