// Of a service of two families one has no backend left. Where an engine cannot lead its clients to the other family's,
// they are refused, and nothing else on the gateway answers in its place.
//
//   client, peer, the backend itself, gateway ── 1.0.0.1:80, [2001:db8::1]:80 gateway ─┬─ server1 10.0.0.2:80
//                                                                                        ╰─ server2 [fd00::2]:80
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <ostream>
#include <tuple>

#include "net/sockaddr.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

std::string yaml(std::string_view backends) {
    return fmt::format(
        "services: {{web: {{listen: ['1.0.0.1:80', '[2001:db8::1]:80'], protocol: both, backends: [{}]}}}}\n",
        backends);
}
constexpr std::string_view both = "'10.0.0.2:80', '[fd00::2]:80'";

struct Gone {
    const char* family;
    Endpoint endpoint, backend, other;
};
void PrintTo(const Gone& gone, std::ostream* out) { *out << gone.family; }
const Gone v4{"v4", at("1.0.0.1:80"), at("10.0.0.2:80"), at("[fd00::2]:80")};
const Gone v6{"v6", at("[2001:db8::1]:80"), at("[fd00::2]:80"), at("10.0.0.2:80")};

class FamilyGone : public testing::TestWithParam<std::tuple<std::string, Gone>> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    bool joins() const { return abilities_of(engine_).cross_family; }
    const lab::Host& host(const char* name) const { return lab_->host(name); }
    std::map<std::string_view, const lab::Host*> callers() const {
        return {{"client", &host("client")},
                {"peer", &host("peer")},
                {"the backend itself", &host_with(lab_, gone_.backend)},
                {"gateway", &host("gateway")}};
    }
    void order(const char* order) const {
        const Outcome outcome =
            outcome_of(host("gateway"), {hairpin_binary(), order, gone_.backend.ip.str(), "--socket", lab_.socket()});
        ASSERT_EQ(outcome.status, 0) << outcome.output;
    }

    // Every client finds the other family's backend, or nobody: not even what else listens there.
    void expect_gone() const {
        const Fd backend = listen_on(host_with(lab_, gone_.other), gone_.other);
        if (joins()) {
            EXPECT_TRUE(meet(host("client"), gone_.endpoint, {&backend}).conversation) << lab_->daemon_log();
            return;
        }
        const Fd intruder = listen_on(host("gateway"), {Ip::any(gone_.endpoint.ip.family()), 80});
        const UdpSocket udp_intruder(host("gateway"), {Ip::any(gone_.endpoint.ip.family()), 80});
        const uint64_t before = lab_.stats("web").refused_for(Refusal::backend);
        for (const auto& [name, caller] : callers()) {
            SCOPED_TRACE(name);
            const Fd refused = dial(*caller, gone_.endpoint);
            const int why = refused ? receive_to_end(refused).error : errno;
            EXPECT_EQ(why, ECONNREFUSED) << strerror(why);
            const UdpSocket client(*caller, {Ip::any(gone_.endpoint.ip.family()), 0});
            const SockAddr to(gone_.endpoint);
            (void)sendto(client.fd(), "question", 8, 0, to.get(), to.size());  // refused at once to a local one
        }
        EXPECT_TRUE(wait_for([&] { return lab_.stats("web").refused_for(Refusal::backend) >= before + 8; }));
        EXPECT_FALSE(is_readable(intruder, 0ms));
        EXPECT_TRUE(udp_intruder.is_empty());
        EXPECT_FALSE(is_readable(backend, 0ms));
    }
    void expect_served() const {
        const Fd backend = listen_on(host_with(lab_, gone_.backend), gone_.backend);
        for (const auto& [name, caller] : callers()) {
            if (joins()) continue;  // it may lead to either
            EXPECT_TRUE(meet(*caller, gone_.endpoint, {&backend}).conversation) << name << lab_->daemon_log();
        }
    }

    const std::string engine_ = std::get<0>(GetParam());
    const Gone gone_ = std::get<1>(GetParam());
    const TestLab lab_{yaml(both), engine_, TestLab::Backends::none};
};

TEST_P(FamilyGone, ByAnOrderItsClientsAreRefused) {
    expect_served();
    order("drain");
    expect_gone();
    order("undrain");
    expect_served();
}

TEST_P(FamilyGone, ByAReloadItsClientsAreRefused) {
    ASSERT_TRUE(lab_.reload(yaml("'" + gone_.other.str() + "'")));
    expect_gone();
    ASSERT_TRUE(lab_.reload(yaml(both)));
    expect_served();
}

INSTANTIATE_TEST_SUITE_P(Every, FamilyGone,
                         testing::Combine(testing::ValuesIn(engine_names()), testing::ValuesIn({v4, v6})),
                         [](const auto& test) {
                             return std::get<0>(test.param) + "_" + std::get<1>(test.param).family;
                         });

}  // namespace
}  // namespace hairpin
