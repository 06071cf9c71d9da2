// `hairpin clear`: what a killed gateway left behind goes, and what it set is put back.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>

#include "engines/registry.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
sysctls: set
services:
  srv1: {listen: "1.0.0.1:5432", backends: "10.0.0.2:54321", protocol: udp}
)";

class Clear : public UdpTest {
protected:
    Outcome clear() const { return outcome_of(lab_->host("gateway"), {hairpin_binary(), "clear"}); }
    std::string on_gateway(const std::string& line) const {
        return output_of(lab_->host("gateway"), {"sh", "-c", line});
    }

    const TestLab lab_ = make_lab(yaml);
};

TEST_P(Clear, RemovesWhatAKilledGatewayLeft) {
    ASSERT_TRUE(lab_);
    const UdpSocket server(lab_->host("server1"), at("10.0.0.2:54321"));
    const UdpSocket client(lab_->host("client"), at("1.0.0.100"));
    exchange(client, at("1.0.0.1:5432"), server);
    const bool has_tracked = GetParam() == "nft";
    EXPECT_EQ(on_gateway("cat /proc/sys/net/netfilter/nf_conntrack_acct"), has_tracked ? "1\n" : "0\n");
    lab_->daemon().signal(SIGKILL);
    ASSERT_TRUE(lab_->daemon().wait(patience));

    const auto [status, said] = clear();
    EXPECT_EQ(status, 0) << said;
    EXPECT_EQ(said, "nothing of hairpin is left in the kernel\n");
    EXPECT_EQ(on_gateway("nft list ruleset"), "");
    EXPECT_EQ(on_gateway("cat /proc/sys/net/netfilter/nf_conntrack_acct"), "0\n");
    EXPECT_EQ(on_gateway("cat /proc/sys/net/ipv4/ip_forward"), "1\n") << "which the lab had set, not the gateway";
    EXPECT_EQ(on_gateway("test ! -e /proc/net/nf_conntrack || ! grep 54321 /proc/net/nf_conntrack"), "");
    EXPECT_EQ(clear().status, 0) << "there is nothing left to do, which is no failure";
}

TEST_P(Clear, LeavesAGatewayAloneThatServes) {
    ASSERT_TRUE(lab_);
    const UdpSocket server(lab_->host("server1"), at("10.0.0.2:54321"));
    const UdpSocket client(lab_->host("client"), at("1.0.0.100"));
    const auto [status, said] = clear();
    if (GetParam() == "proxy") {  // which has nothing in the kernel
        EXPECT_EQ(status, 0) << said;
    } else {
        EXPECT_EQ(status, 1);
        const std::string pid = std::to_string(lab_->daemon().pid());
        EXPECT_EQ(said.find(fmt::format("hairpin clear: engine {}: process ", find_engine(GetParam())->kernel_state) +
                            pid + " serves this network"),
                  0u)
            << said;
    }
    exchange(client, at("1.0.0.1:5432"), server);
}

INSTANTIATE_TEST_SUITE_P(Every, Clear, testing::ValuesIn(engine_names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
