// Neighbours may ask the gateway by its link-local address, which means nothing beyond their link. Two of them may have
// the same one, on two links.
//
//               ╭─ gateway ─────────────╮
//   client ─────┤ fe80::1       fe80::1 ├── switch ─┬─ server1  fe80::5
//   fe80::5     │       [::]:1234       │           ╰─ server2  fd00::3, the backend
//               ╰───────────────────────╯
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include "net/sockaddr.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

// The fixed service is there to give the network IPv6 addresses.
constexpr std::string_view yaml = R"(
services:
  fixed: {listen: "[2001:db8::1]:9", backends: "[fd00::2]:9", protocol: both}
  any: {listen: "[::]:1234", backends: "[fd00::3]:4321", protocol: both}
)";
const Endpoint service = *Endpoint::parse("[fe80::1]:1234");
const Endpoint backend_endpoint = *Endpoint::parse("[fd00::3]:4321");

// A client with the address fe80::5, connected to the gateway's fe80::1 on its link. Invalid where it cannot be.
Fd call(const lab::Host& host, Protocol protocol, uint16_t from_port) {
    return host.run([&] {
        Fd fd(socket(AF_INET6, (protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
        const timeval limit{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0};
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        const auto on_link = [](const Endpoint& endpoint) {
            sockaddr_in6 address{};
            memcpy(&address, SockAddr(endpoint).get(), sizeof address);
            address.sin6_scope_id = if_nametoindex("eth0");
            return address;
        };
        const sockaddr_in6 own = on_link({*Ip::parse("fe80::5"), from_port});
        const sockaddr_in6 gateway = on_link(service);
        const bool connected = bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0 &&
                               connect(fd.get(), reinterpret_cast<const sockaddr*>(&gateway), sizeof gateway) == 0;
        return connected ? std::move(fd) : Fd();
    });
}

class LinkLocal : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (GetParam() != "proxy") GTEST_SKIP() << "gap: no router passes packets of link-local addresses on";
        ASSERT_TRUE(lab_);
        clients_ = {&lab_->host("client"), &host_with(lab_, at("fd00::2"))};
        server_ = &host_with(lab_, backend_endpoint);
        command(lab_->host("gateway"), "ip address add fe80::1/64 dev ext nodad");
        command(lab_->host("gateway"), "ip address add fe80::1/64 dev int nodad");
        for (const lab::Host* host : clients_) command(*host, "ip address add fe80::5/64 dev eth0 nodad");
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
    std::vector<const lab::Host*> clients_;
    const lab::Host* server_ = nullptr;
};

TEST_P(LinkLocal, TcpClientsAreServed) {
    const Fd server = listen_on(*server_, backend_endpoint);
    for (const lab::Host* host : clients_) {
        Meeting meeting;
        // Those who come before the gateway has noticed its new address are reset.
        wait_for([&] { return (meeting = meet(call(*host, Protocol::tcp, 0), {&server})).conversation.has_value(); });
        ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with) << lab_->daemon_log();
        EXPECT_TRUE(meeting.conversation->alive());
    }
}

TEST_P(LinkLocal, UdpClientsOfTwoLinksWithTheSameAddressKeepApart) {
    const UdpSocket server(*server_, backend_endpoint);
    std::vector<Fd> clients;
    std::vector<Endpoint> seen;
    for (const lab::Host* host : clients_) {
        const Fd& client = clients.emplace_back(call(*host, Protocol::udp, 5555));
        const std::string question = "from client " + std::to_string(seen.size());
        std::optional<Datagram> asked;
        const bool heard = wait_for([&] {
            send_all(client, question);
            asked = server.receive(std::chrono::milliseconds(100));
            return asked && asked->payload == question;
        });
        ASSERT_TRUE(heard) << lab_->daemon_log();
        seen.push_back(asked->from);
    }
    EXPECT_NE(seen[0], seen[1]);
    for (size_t i = 0; i < clients.size(); ++i) {
        const std::string answer = "for client " + std::to_string(i);
        server.send(seen[i], answer);
        EXPECT_EQ(receive(clients[i], answer.size()), answer);
    }
}

INSTANTIATE_TEST_SUITE_P(Every, LinkLocal, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
