// Fifty thousand hairpinned flows live at once: two servers ask for each other's services, and each sees all that come
// to it from one address. Every flow has a port of its own towards its backend, which one towards the other may have,
// too, and hears what is for it.
//
//   server1 10.0.0.2:8080 ──┬── switch ── gateway 1.0.0.1:80 (server1), 1.0.0.1:81 (server2)
//   server2 10.0.0.3:8080 ──╯
//
// The lines that begin with "load:" are the results.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <set>

#include "support/kernel_engines.h"
#include "support/packet.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  one: {listen: "1.0.0.1:80", backends: "10.0.0.2:8080", protocol: udp}
  two: {listen: "1.0.0.1:81", backends: "10.0.0.3:8080", protocol: udp}
)";
constexpr size_t clients = 25'000;  // of each service
// Below those that nft gives to flows: what is among these is kept, and in thousands in a row that would leave the
// kernel's search, some 240 ports long, without a free one now and then.
constexpr uint16_t first_port = 7'000;

// One of the services: who asks, and who answers.
struct Asked {
    Asked(const lab::Host& from, const char* client, const char* asked, const lab::Host& to, const char* answers)
        : service(at(asked)), address(at(client).ip), sender(from, Family::v4), host(from), backend(to, at(answers)) {}

    Endpoint client(size_t number) const { return {address, static_cast<uint16_t>(first_port + number)}; }

    Endpoint service;
    Ip address;
    PacketSender sender;
    const lab::Host& host;
    UdpSocket backend;
    std::vector<Endpoint> seen;  // by client
    std::set<Endpoint> all;
};

class HairpinnedFlows : public testing::TestWithParam<std::string> {};

TEST_P(HairpinnedFlows, FiftyThousandAtOnceAreKeptApart) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& server1 = lab->host("server1");
    const lab::Host& server2 = lab->host("server2");
    std::array<Asked, 2> services = {Asked(server2, "10.0.0.3", "1.0.0.1:80", server1, "10.0.0.2:8080"),
                                     Asked(server1, "10.0.0.2", "1.0.0.1:81", server2, "10.0.0.3:8080")};
    for (size_t i = 0; i < clients; ++i) {
        for (Asked& asked : services) {
            const Endpoint client = asked.client(i);
            asked.sender.send(udp_packet(client, asked.service, client.str()));
            const auto came = asked.backend.receive();
            ASSERT_TRUE(came) << "client " << i << "\n" << lab->daemon_log();
            ASSERT_EQ(came->payload, client.str());
            ASSERT_EQ(came->from.ip, asked.service.ip);
            ASSERT_TRUE(asked.all.insert(came->from).second) << came->from.str() << " is taken";
            asked.seen.push_back(came->from);
        }
    }
    for (const char* service : {"one", "two"}) EXPECT_EQ(lab.stats(service).active, clients);
    for (const Asked& asked : services) {
        const Capture capture(asked.host);
        for (size_t i = 0; i < clients; ++i) {
            asked.backend.send(asked.seen[i], "for " + asked.client(i).str());
            const auto heard = capture.next([&](const Packet& p) { return p.from == asked.service; });
            ASSERT_TRUE(heard) << "client " << i;
            ASSERT_EQ(heard->payload(), "for " + asked.client(i).str());
            ASSERT_EQ(heard->to, asked.client(i));
        }
    }
    std::vector<Endpoint> shared;
    std::ranges::set_intersection(services[0].all, services[1].all, std::back_inserter(shared));
    EXPECT_FALSE(shared.empty());
    std::printf("load: %s: 50000 hairpinned flows at once; %zu ports serve both backends\n", GetParam().c_str(),
                shared.size());
}

INSTANTIATE_TEST_SUITE_P(On, HairpinnedFlows, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
