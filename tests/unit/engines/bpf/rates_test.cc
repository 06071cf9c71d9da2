// How many flows of a service the kernel's half lets begin in a second.
#include <gtest/gtest.h>

#include <optional>

#include "host_kernel.h"
#include "support/gate.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

using std::chrono::milliseconds;

constexpr int ext = 2;
constexpr int inside = 3;

class BpfRates : public testing::Test {
protected:
    void serve(uint32_t of_client, uint32_t of_service) {
        Service web = service("web", {"1.0.0.1:80", "[2001:db8::1]:80"}, {"10.0.0.2:8080", "[fd00::2]:8080"});
        web.limits[Limit::new_per_second_per_client] = of_client;
        web.limits[Limit::new_per_second] = of_service;
        Compiler compiler(0);
        const Tables tables =
            compiler.compile({Ruleset({web}), two_legged().topology()}, free_ports, [](const Service&) { return 0U; });
        kernel_.emplace(tables, 1, [](const Ip& ip) { return HostKernel::Route{ip.is_private() ? inside : ext}; });
    }

    // Whether one more connection of the client may begin.
    bool begins(const char* client) {
        const bool v4 = ip(client).is_v4();
        const Endpoint from{ip(client), ++port_};
        const Verdict verdict = kernel_->arrives(
            ip(client).is_private() ? inside : ext,
            frame_of(tcp_packet(from, endpoint(v4 ? "1.0.0.1:80" : "[2001:db8::1]:80"), {.syn = true})));
        return packet_in(verdict.frame).to == endpoint(v4 ? "10.0.0.2:8080" : "[fd00::2]:8080");
    }
    int begin(const char* client, int tries) {
        int begun = 0;
        while (tries-- > 0) begun += begins(client);
        return begun;
    }
    void pass_time(milliseconds time) { kernel_->pass_time(time); }

private:
    std::optional<HostKernel> kernel_;
    uint16_t port_ = 1024;
};

TEST_F(BpfRates, AreBucketsThatAreFullAtFirstAndFillAgain) {
    serve(4, 0);
    EXPECT_EQ(begin("1.0.0.100", 10), 4);
    pass_time(milliseconds(240));
    EXPECT_EQ(begin("1.0.0.100", 10), 0);
    pass_time(milliseconds(10));
    EXPECT_EQ(begin("1.0.0.100", 10), 1);
    pass_time(milliseconds(750));
    EXPECT_EQ(begin("1.0.0.100", 10), 3);
    pass_time(std::chrono::hours(1));
    EXPECT_EQ(begin("1.0.0.100", 10), 4) << "it holds no more";
}

TEST_F(BpfRates, OfClientsAreOfEachOnEveryPath) {
    serve(2, 0);
    for (const char* client : {"1.0.0.100", "10.0.0.50", "10.0.0.2", "fd00::50", "fd00::2"}) {
        EXPECT_EQ(begin(client, 5), 2) << client;
    }
}

TEST_F(BpfRates, OfAnIpv6ClientOutsideAreThoseOfItsSubscriber) {
    serve(3, 0);
    EXPECT_EQ(begin("2001:db8:1::1", 2) + begin("2001:db8:1::2", 2), 3);
    EXPECT_EQ(begin("2001:db8:1:1::1", 5), 3);
    EXPECT_EQ(begin("fd00::50", 5), 3);
    EXPECT_EQ(begin("fd00::51", 5), 3) << "an inside network is no subscriber";
}

TEST_F(BpfRates, OfAServiceAreThoseOfAllClientsInBothFamilies) {
    serve(0, 5);
    EXPECT_EQ(begin("1.0.0.100", 2) + begin("10.0.0.50", 2) + begin("2001:db8:1::1", 2), 5);
}

TEST_F(BpfRates, WhoIsBeyondItsOwnTakesNothingOfWhatAllShare) {
    serve(1, 3);
    EXPECT_EQ(begin("1.0.0.100", 10), 1);
    EXPECT_EQ(begin("10.0.0.50", 10), 1);
    EXPECT_EQ(begin("10.0.0.51", 10), 1);
    EXPECT_EQ(begin("10.0.0.52", 10), 0);
}

TEST_F(BpfRates, OfAMillionAreNoBoundInPractice) {
    serve(1'000'000, 0);
    EXPECT_EQ(begin("1.0.0.100", 1000), 1000);
}

}  // namespace
}  // namespace hairpin::bpf
