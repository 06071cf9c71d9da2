// Where all source ports towards a backend are in use, whoever needs one is told so at once and counted; nobody else
// notices anything. A published range leaves sixteen ports to the gateway:
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

#include "net/sockaddr.h"
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
  wide: {listen: "1.0.0.1:1024-65519", backends: "10.0.0.3:1024-65519"}
)";
constexpr size_t free_ports = 16;

struct Place {
    Endpoint endpoint, backend, neighbour, client;
    int refused;  // what the kernel makes of the ICMP error for who connects
};
const Place v4 = {at("1.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3"), at("1.0.0.100"), EHOSTUNREACH};
const Place v6 = {at("[2001:db8::1]:80"), at("[fd00::2]:80"), at("fd00::3"), at("2001:db8::100"), EACCES};

class NftPorts : public testing::Test {
protected:
    NftPorts() : lab_(yaml, "nft", TestLab::Backends::none) {}
    void SetUp() override { ASSERT_TRUE(lab_); }

    const lab::Host& host(const Endpoint& of) const { return host_with(lab_, of); }

    // Connections from beside the backend, as many as there are ports.
    std::vector<Conversation> fill(const Place& place, const Fd& backend) const {
        std::vector<Conversation> all;
        for (size_t i = 0; i < free_ports; ++i) {
            Meeting meeting = meet(host(place.neighbour), place.endpoint, {&backend});
            EXPECT_TRUE(meeting.conversation) << i << ": " << strerror(meeting.refused_with);
            if (meeting.conversation) all.push_back(*std::move(meeting.conversation));
        }
        return all;
    }

    const TestLab lab_;
};
class NftPortsOf : public NftPorts, public testing::WithParamInterface<Place> {};

TEST_P(NftPortsOf, ANeighbourIsRefusedWhileNobodyElseNoticesAnything) {
    const Place& place = GetParam();
    const Fd backend = listen_on(host(place.backend), place.backend);
    const auto conversations = fill(place, backend);
    ASSERT_EQ(conversations.size(), free_ports);

    EXPECT_EQ(meet(host(place.neighbour), place.endpoint, {&backend}).refused_with, place.refused)
        << lab_->daemon_log();
    const Meeting local = meet(lab_->host("gateway"), place.endpoint, {&backend});
    EXPECT_EQ(local.refused_with, place.refused) << "a process on the gateway needs a port, too";
    EXPECT_GE(lab_.stats("web").refused_for(Refusal::ports), 2u);
    EXPECT_EQ(lab_.stats("same").refused_for(Refusal::ports), 0u);
    EXPECT_TRUE(lab_.logs("service web: all 16 source ports of " + place.endpoint.ip.str() + " towards " +
                          place.backend.str() + " are in use"));

    const Meeting external = meet(host(place.client), place.endpoint, {&backend});
    ASSERT_TRUE(external.conversation) << strerror(external.refused_with);
    EXPECT_TRUE(external.conversation->alive());
    const Endpoint other = {place.neighbour.ip, 81};
    const Fd same = listen_on(host(place.neighbour), other);
    EXPECT_TRUE(meet(host(place.backend), {place.endpoint.ip, 81}, {&same}).conversation) << "another backend's ports";
    for (const Conversation& conversation : conversations) EXPECT_TRUE(conversation.alive());
}

// A datagram that opens a session and finds no port, and what the kernel says of it.
int refusal_of(const Fd& client) {
    send(client.get(), "new", 3, 0);
    return send(client.get(), "new", 3, 0) < 0 ? errno : 0;
}

TEST_P(NftPortsOf, SessionsOfUdpAreRefusedUntilOthersHaveEnded) {
    const Place& place = GetParam();
    const UdpSocket backend(host(place.backend), place.backend);
    std::vector<UdpSocket> clients;
    for (size_t i = 1; i < free_ports; ++i) {
        clients.emplace_back(host(place.neighbour), place.neighbour);
        exchange(clients.back(), place.endpoint, backend);
    }
    const UdpSocket unanswered(host(place.neighbour), place.neighbour);
    const auto live_on = [&] {
        for (const UdpSocket& client : clients) exchange(client, place.endpoint, backend);
        unanswered.send(place.endpoint, "unanswered");
        EXPECT_EQ(backend.receive().value_or(Datagram{}).payload, "unanswered");
    };
    const Fd late = connect_from(host(place.neighbour), {Protocol::udp, place.neighbour, place.endpoint});
    EXPECT_TRUE(wait_for([&] {
        live_on();
        return refusal_of(late) == place.refused;
    })) << lab_->daemon_log();
    live_on();
    EXPECT_TRUE(backend.is_empty()) << "nothing of the one that was refused";
    EXPECT_GE(lab_.stats("web").refused_for(Refusal::ports), 1u);

    EXPECT_TRUE(wait_for([&] {
        refusal_of(late);
        return backend.receive(10ms).has_value();
    })) << "the others have been silent for idle_timeout";
}

INSTANTIATE_TEST_SUITE_P(Families, NftPortsOf, testing::Values(v4, v6),
                         [](const auto& place) { return std::string(place.param.endpoint.ip.is_v4() ? "v4" : "v6"); });

// Where nobody keeps their address, external clients need a port as well.
TEST_F(NftPorts, AnExternalClientIsRefusedWhereItNeedsAPort) {
    const Place hidden = {at("1.0.0.1:82"), at("10.0.0.2:82"), at("10.0.0.3"), at("1.0.0.100"), EHOSTUNREACH};
    const Fd backend = listen_on(host(hidden.backend), hidden.backend);
    const auto conversations = fill(hidden, backend);
    EXPECT_EQ(meet(host(hidden.client), hidden.endpoint, {&backend}).refused_with, hidden.refused);
    EXPECT_GE(lab_.stats("hidden").refused_for(Refusal::ports), 1u);
    for (const Conversation& conversation : conversations) EXPECT_TRUE(conversation.alive());
}

}  // namespace
}  // namespace hairpin
