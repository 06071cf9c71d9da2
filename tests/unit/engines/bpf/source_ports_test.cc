// Which source ports the kernel's half gives to flows whose source it translates.
#include <gtest/gtest.h>

#include "host_kernel.h"
#include "support/gate.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

constexpr int inside = 3;

HostKernel serving(PortRange ports) {
    Compiler compiler(0);
    const Tables tables =
        compiler.compile({Ruleset({service("web", {"1.0.0.1:80"}, {"10.0.0.2:8080"})}), two_legged().topology()}, ports,
                         [](const Service&) { return 0U; });
    return HostKernel(
        tables, 1, [](const Ip&) { return HostKernel::Route{inside}; }, HP_FEWEST_SLOTS);
}

// How many of so many flows of a peer on the backend's wire find a port.
int served(HostKernel& kernel, int flows, uint16_t first = 1024) {
    int count = 0;
    for (uint16_t port = first; flows > 0; ++port, --flows) {
        const Endpoint client{ip("10.0.0.50"), port};
        const auto verdict =
            kernel.arrives(inside, frame_of(tcp_packet(client, endpoint("1.0.0.1:80"), {.syn = true})));
        count += packet_in(verdict.frame).to == endpoint("10.0.0.2:8080");
    }
    return count;
}

// Ports that are taken do not lie evenly: whoever looks from one to the next meets long rows of them.
TEST(BpfSourcePorts, AreFoundWhereOneInTwentyIsFree) {
    auto kernel = serving({40'000, 43'999});
    EXPECT_EQ(served(kernel, 3'800), 3'800);
}

// RFC 6191: those of flows that have ended need not rest while others wait.
TEST(BpfSourcePorts, OfFlowsThatHaveEndedAreGivenOutWhereNoneIsFree) {
    auto kernel = serving({40'000, 40'019});
    ASSERT_EQ(served(kernel, 21), 20);
    // The client of the first ends its connection.
    const Endpoint first{ip("10.0.0.50"), 1024};
    kernel.pass_time(std::chrono::seconds(1));
    kernel.arrives(inside, frame_of(tcp_packet(first, endpoint("1.0.0.1:80"), {.rst = true})));
    EXPECT_EQ(served(kernel, 30, 3000), 1) << "live ones keep theirs";
    const Endpoint next{ip("10.0.0.50"), 3000};
    const auto half = kernel.half(tuple_of({Protocol::tcp, next, endpoint("1.0.0.1:80")}));
    ASSERT_TRUE(half);
    EXPECT_FALSE(kernel.half(tuple_of({Protocol::tcp, first, endpoint("1.0.0.1:80")}))) << "both halves went";
}

TEST(BpfSourcePorts, AreUsedToTheLast) {
    auto kernel = serving({40'000, 40'199});
    EXPECT_EQ(served(kernel, 201), 200);
}

}  // namespace
}  // namespace hairpin::bpf
