// The gateway shows nobody the way around itself, where that way misses the translation. All of these are on one link:
//
//   ╭─ gateway ───────────────────────────╮            ╭─ server1 ── fd00::2                    backend
//   │ 2001:db8::1   fd00::1   fd00:0:5::1 ├── switch ──┼─ server2 ── fd00:0:5::2, fd00:0:5::9   backend, and not
//   ╰─────────────────────────────────────╯            ╰─ peer ───── fd00::50
#include <gtest/gtest.h>

#include <fstream>

#include "lab/prober.h"
#include "support/kernel_engines.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  web: {listen: "[2001:db8::1]:80", backends: "[fd00::2]:80"}
  far: {listen: "[2001:db8::1]:81", backends: "[fd00:0:5::2]:81"}
)";

// Redirects that a host has received; the thread's own counters, for /proc/net is that of the process's first thread.
uint64_t redirects(const lab::Host& host) {
    return host.run([] {
        std::ifstream counters("/proc/thread-self/net/snmp6");
        uint64_t value = 0;
        for (std::string name; counters >> name >> value;) {
            if (name == "Icmp6InRedirects") return value;
        }
        ADD_FAILURE() << "no counter of redirects";
        return value;
    });
}

class Redirects : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    const lab::Host& host(std::string_view address) const { return host_with(lab_, at(address)); }

    const TestLab lab_{yaml, GetParam()};
};

// It keeps its address, so the backend's answers name it; a backend that believed the redirect would answer it
// directly, from an address that it never asked.
TEST_P(Redirects, ABackendIsNotShownTheWayToAClientOnAnotherNetworkOfItsLink) {
    const lab::Host& neighbour = host("fd00:0:5::2");
    command(neighbour, "ip address add fd00:0:5::9/64 dev eth0 nodad");
    for (const char* client : {"fd00:0:5::9", "fd00:0:5::2"}) {
        const auto answer =
            lab::ask(neighbour, {Protocol::tcp, at(client), at("[2001:db8::1]:80")}, ProxyHeader::none, patience);
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->greeting.leg.source.ip.str(), client);
    }
    EXPECT_EQ(redirects(host("fd00::2")), 0u);
    EXPECT_EQ(redirects(neighbour), 0u);
}

TEST_P(Redirects, ANeighbourIsNotShownTheBackend) {
    const auto answer = lab::ask(host("fd00::50"), {Protocol::tcp, at("fd00::50"), at("[2001:db8::1]:80")},
                                 ProxyHeader::none, patience);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->greeting.leg.source.ip.str(), "2001:db8::1");
    EXPECT_EQ(redirects(host("fd00::50")), 0u);
}

TEST_P(Redirects, OthersAreStillShownTheirWay) {
    command(host("fd00:0:5::2"), "ip address add fd00::77/128 dev eth0 nodad");
    command(host("fd00::50"), "ip route add fd00::77/128 via fd00::1");
    const UdpSocket there(host("fd00:0:5::2"), at("[fd00::77]:7"));
    const UdpSocket here(host("fd00::50"), at("fd00::50"));
    EXPECT_TRUE(wait_for([&] {
        here.send(there.local(), "through the gateway");
        return there.receive().has_value() && redirects(host("fd00::50")) > 0;
    }));
}

INSTANTIATE_TEST_SUITE_P(On, Redirects, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
