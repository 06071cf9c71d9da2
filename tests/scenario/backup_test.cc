// A backup takes new flows only while no other backend is up, whichever engine carries them.
//
//   client, routed ── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  dies, and comes back
//                                            ╰── server2 10.0.0.3:2044  the backup
//
// Both are asked for their health at port 2999.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "net/socket.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  srv:
    listen: 1.0.0.1:1044
    protocol: both
    backends: [10.0.0.2:2044, {endpoint: 10.0.0.3:2044, backup: true}]
    health: {port: 2999, interval: 100ms, timeout: 100ms, rise: 1, fall: 1}
)";
const Endpoint service = at("1.0.0.1:1044");

class Backup : public testing::TestWithParam<std::string> {};

TEST_P(Backup, TakesNewFlowsWhileNobodyElseIsUp) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& server1 = lab->host("server1");
    const lab::Host& server2 = lab->host("server2");
    const Fd first = listen_on(server1, at("10.0.0.2:2044"));
    const Fd second = listen_on(server2, at("10.0.0.3:2044"));
    const Fd second_lives = listen_on(server2, at("10.0.0.3:2999"));
    std::optional<Fd> first_lives = listen_on(server1, at("10.0.0.2:2999"));
    const auto led_to = [&](const char* backend) {
        const auto clients = {"client", "routed", "client", "gateway"};
        return wait_for([&] {
            return std::ranges::all_of(clients, [&](const char* from) {
                const Meeting meeting = meet(lab->host(from), service, {&first, &second});
                return meeting.conversation && local_endpoint(meeting.conversation->backend.get()) == at(backend);
            });
        });
    };

    ASSERT_TRUE(led_to("10.0.0.2:2044")) << lab->daemon_log();
    const Meeting before = meet(lab->host("client"), service, {&first});
    ASSERT_TRUE(before.conversation) << strerror(before.refused_with);
    EXPECT_FALSE(is_readable(second, std::chrono::milliseconds(0)));

    first_lives.reset();
    ASSERT_TRUE(lab->daemon().wait_for_output("backend 10.0.0.2:2044 is down", patience)) << lab->daemon_log();
    ASSERT_TRUE(led_to("10.0.0.3:2044")) << lab->daemon_log();
    EXPECT_TRUE(before.conversation->alive());
    const Meeting meanwhile = meet(lab->host("routed"), service, {&second});
    ASSERT_TRUE(meanwhile.conversation) << strerror(meanwhile.refused_with);

    first_lives = listen_on(server1, at("10.0.0.2:2999"));
    ASSERT_TRUE(lab->daemon().wait_for_output("backend 10.0.0.2:2044 is up", patience)) << lab->daemon_log();
    ASSERT_TRUE(led_to("10.0.0.2:2044")) << lab->daemon_log();
    EXPECT_TRUE(meanwhile.conversation->alive());
}

INSTANTIATE_TEST_SUITE_P(Every, Backup, testing::ValuesIn(engine_names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
