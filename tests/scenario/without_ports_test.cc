// Where all source ports towards a backend are in use, whoever needs one is told so at once and counted; nobody else
// notices anything. Sixteen ports are left to the gateway:
//
//   ╭─ client ──────╮    ╭─ gateway ────────────────────╮             ╭─ server1 ──╮
//   │ 1.0.0.100     ├────┤ 1.0.0.1  2001:db8::1         ├── switch ─┬─┤ 10.0.0.2   │
//   │ 2001:db8::100 │    │ ports 65520-65535 for flows  │           │ │ fd00::2    │
//   ╰───────────────╯    │ of neighbours of the backend │           │ ╭─ server2 ──╮
//     keeps its own      ╰──────────────────────────────╯           ╰─┤ 10.0.0.3   │
//     address and port                                                │ fd00::3    │ seen as 1.0.0.1, 2001:db8::1
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <ostream>
#include <tuple>

#include "net/sockaddr.h"
#include "support/few_ports.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view yaml = R"(
defaults: {protocol: both, idle_timeout: 5s}
services:
  web: {listen: ["1.0.0.1:80", "[2001:db8::1]:80"], backends: ["10.0.0.2:80", "[fd00::2]:80"]}
  same: {listen: ["1.0.0.1:81", "[2001:db8::1]:81"], backends: ["10.0.0.3:81", "[fd00::3]:81"]}
  hidden: {listen: "1.0.0.1:82", backends: "10.0.0.2:82", source: external}
)";
constexpr int free_ports = 16;

struct Ends {
    const char* family;
    Endpoint endpoint, backend, neighbour, client;
    int refused;  // what the kernel makes of the ICMP error for who connects
};
void PrintTo(const Ends& ends, std::ostream* out) { *out << ends.family; }
const Ends v4{"v4", at("1.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3"), at("1.0.0.100"), EHOSTUNREACH};
const Ends v6{"v6", at("[2001:db8::1]:80"), at("[fd00::2]:80"), at("fd00::3"), at("2001:db8::100"), EACCES};

class WithoutPorts : public testing::TestWithParam<std::tuple<std::string, Ends>> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    const lab::Host& host(const Endpoint& of) const { return host_with(lab_, of); }

    // Connections from beside the backend, as many as there are ports.
    std::vector<Conversation> fill(const Endpoint& endpoint, const Fd& backend) const {
        std::vector<Conversation> all;
        for (int i = 0; i < free_ports; ++i) {
            Meeting meeting = meet(host(ends_.neighbour), endpoint, {&backend});
            EXPECT_TRUE(meeting.conversation) << i << ": " << strerror(meeting.refused_with);
            if (meeting.conversation) all.push_back(*std::move(meeting.conversation));
        }
        return all;
    }

    const std::string engine_ = std::get<0>(GetParam());
    const Ends ends_ = std::get<1>(GetParam());
    const TestLab lab_ = lab_with_ports(free_ports, yaml, engine_);
};

TEST_P(WithoutPorts, ANeighbourIsRefusedWhileNobodyElseNoticesAnything) {
    const Fd backend = listen_on(host(ends_.backend), ends_.backend);
    const auto conversations = fill(ends_.endpoint, backend);
    ASSERT_EQ(conversations.size(), size_t{free_ports});

    EXPECT_EQ(meet(host(ends_.neighbour), ends_.endpoint, {&backend}).refused_with, ends_.refused)
        << lab_->daemon_log();
    const Meeting local = meet(lab_->host("gateway"), ends_.endpoint, {&backend});
    EXPECT_EQ(local.refused_with, ends_.refused) << "a process on the gateway needs a port, too";
    EXPECT_GE(lab_.stats("web").refused_for(Refusal::ports), 2u);
    EXPECT_EQ(lab_.stats("same").refused_for(Refusal::ports), 0u);
    EXPECT_TRUE(lab_.logs(engine_ == "nft" ? "service web: all 16 source ports of " + ends_.endpoint.ip.str() +
                                                 " towards " + ends_.backend.str() + " are in use"
                                           : "service web: no source port is free towards a backend"));

    const Meeting external = meet(host(ends_.client), ends_.endpoint, {&backend});
    ASSERT_TRUE(external.conversation) << strerror(external.refused_with);
    EXPECT_TRUE(external.conversation->alive());
    const Endpoint other = {ends_.neighbour.ip, 81};
    const Fd same = listen_on(host(ends_.neighbour), other);
    EXPECT_TRUE(meet(host(ends_.backend), {ends_.endpoint.ip, 81}, {&same}).conversation) << "another backend's ports";
    for (const Conversation& conversation : conversations) EXPECT_TRUE(conversation.alive());
}

// A datagram that opens a session and finds no port, and what the kernel says of it.
int refusal_of(const Fd& client) {
    send(client.get(), "new", 3, 0);
    return send(client.get(), "new", 3, 0) < 0 ? errno : 0;
}

TEST_P(WithoutPorts, SessionsOfUdpAreRefusedUntilOthersHaveEnded) {
    const UdpSocket backend(host(ends_.backend), ends_.backend);
    std::vector<UdpSocket> clients;
    for (int i = 1; i < free_ports; ++i) {
        clients.emplace_back(host(ends_.neighbour), ends_.neighbour);
        exchange(clients.back(), ends_.endpoint, backend);
    }
    const UdpSocket unanswered(host(ends_.neighbour), ends_.neighbour);
    const auto live_on = [&] {
        for (const UdpSocket& client : clients) exchange(client, ends_.endpoint, backend);
        unanswered.send(ends_.endpoint, "unanswered");
        EXPECT_EQ(backend.receive().value_or(Datagram{}).payload, "unanswered");
    };
    const Fd late = connect_from(host(ends_.neighbour), {Protocol::udp, ends_.neighbour, ends_.endpoint});
    EXPECT_TRUE(wait_for([&] {
        live_on();
        return refusal_of(late) == ends_.refused;
    })) << lab_->daemon_log();
    live_on();
    EXPECT_TRUE(backend.is_empty()) << "nothing of the one that was refused";
    EXPECT_GE(lab_.stats("web").refused_for(Refusal::ports), 1u);

    EXPECT_TRUE(wait_for([&] {
        refusal_of(late);
        return backend.receive(10ms).has_value();
    })) << "the others have been silent for idle_timeout";
}

// Where nobody keeps their address, external clients need a port as well.
using WithoutPortsOutside = WithoutPorts;
TEST_P(WithoutPortsOutside, AnExternalClientIsRefusedWhereItNeedsAPort) {
    const Endpoint hidden{ends_.endpoint.ip, 82};
    const Endpoint behind{ends_.backend.ip, 82};
    const Fd backend = listen_on(host(behind), behind);
    const auto conversations = fill(hidden, backend);
    EXPECT_EQ(meet(host(ends_.client), hidden, {&backend}).refused_with, ends_.refused);
    EXPECT_GE(lab_.stats("hidden").refused_for(Refusal::ports), 1u);
    for (const Conversation& conversation : conversations) EXPECT_TRUE(conversation.alive());
}

std::string name_of(const testing::TestParamInfo<WithoutPorts::ParamType>& info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).family;
}
INSTANTIATE_TEST_SUITE_P(Every, WithoutPorts,
                         testing::Combine(testing::ValuesIn(kernel_engine_names()), testing::ValuesIn({v4, v6})),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, WithoutPortsOutside,
                         testing::Combine(testing::ValuesIn(kernel_engine_names()), testing::Values(v4)), name_of);

}  // namespace
}  // namespace hairpin
