// Which source ports the kernel's half gives to flows whose source it translates.
#include <gtest/gtest.h>

#include <array>

#include "host_kernel.h"
#include "support/gate.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

constexpr int ext = 2;
constexpr int inside = 3;

HostKernel serving(PortRange ports, uint32_t slots = HP_FEWEST_SLOTS) {
    Compiler compiler(0);
    const Tables tables =
        compiler.compile({Ruleset({service("web", {"1.0.0.1:80"}, {"10.0.0.2:8080"})}), two_legged().topology()}, ports,
                         [](const Service&) { return 0U; });
    return HostKernel(
        tables, 1, [](const Ip&) { return HostKernel::Route{inside}; }, slots);
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
    const auto lives = [&](uint16_t client) {
        return kernel.half(tuple_of({Protocol::tcp, {ip("10.0.0.50"), client}, endpoint("1.0.0.1:80")})).has_value();
    };
    for (const uint16_t client : {uint16_t{1025}, uint16_t{1024}}) {
        kernel.pass_time(std::chrono::seconds(1));
        kernel.arrives(inside, frame_of(tcp_packet({ip("10.0.0.50"), client}, endpoint("1.0.0.1:80"), {.rst = true})));
    }
    EXPECT_EQ(served(kernel, 1, 3000), 1);
    EXPECT_FALSE(lives(1025)) << "the one that has been silent the longest";
    EXPECT_TRUE(lives(1024));
    EXPECT_EQ(served(kernel, 30, 3001), 1) << "those that have not ended keep theirs";
    EXPECT_FALSE(lives(1024));
    EXPECT_TRUE(lives(3000) && lives(3001) && lives(1026));
    EXPECT_EQ(kernel.slots_in_use().size(), 40) << "both halves go";
}

// Two clients, and two processors that find the same one.
TEST(BpfSourcePorts, OfAFlowThatHasEndedGoesToOneOfThoseWhoNeedItAtOnce) {
    for (uint32_t seed = 0; seed < 100; ++seed) {
        auto kernel = serving({40'000, 40'000}, 64);
        ASSERT_EQ(served(kernel, 1), 1);
        kernel.arrives(inside, frame_of(tcp_packet({ip("10.0.0.50"), 1024}, endpoint("1.0.0.1:80"), {.rst = true})));
        kernel.pass_time(std::chrono::seconds(1));
        std::array<int, 2> count{};
        HostKernel::at_once({[&] { count[0] = served(kernel, 1, 3000); }, [&] { count[1] = served(kernel, 1, 3001); }},
                            seed);
        ASSERT_EQ(count[0] + count[1], 1) << "seed " << seed;
        const Endpoint client{ip("10.0.0.50"), static_cast<uint16_t>(count[0] == 1 ? 3000 : 3001)};
        const auto answer = kernel.arrives(
            inside, frame_of(tcp_packet(endpoint("10.0.0.2:8080"), endpoint("1.0.0.1:40000"), {.acknowledged = 1})));
        ASSERT_EQ(packet_in(answer.frame).to, client) << "seed " << seed;
        ASSERT_EQ(kernel.slots_in_use().size(), 2) << "seed " << seed;
    }
}

// A resolver's two first datagrams, or a SYN that comes twice.
TEST(BpfSourcePorts, OfOneFlowIsOneThoughTwoPacketsBeginItAtOnce) {
    for (uint32_t seed = 0; seed < 100; ++seed) {
        auto kernel = serving({40'000, 49'999}, 64);
        for (const char* client : {"10.0.0.50:2000", "1.0.0.100:2000"}) {  // whose port is another, and is kept
            std::array<Endpoint, 2> source;
            const auto begin = [&](size_t processor) {
                const auto frame = frame_of(tcp_packet(endpoint(client), endpoint("1.0.0.1:80"), {.syn = true}));
                const Packet sent = packet_in(kernel.arrives(client[1] == '0' ? inside : ext, frame).frame);
                if (sent.to == endpoint("10.0.0.2:8080")) source.at(processor) = sent.from;
            };
            HostKernel::at_once({[&] { begin(0); }, [&] { begin(1); }}, seed);
            ASSERT_NE(source[0].port, 0) << client << ", seed " << seed;
            ASSERT_EQ(source[0], source[1]) << client << ", seed " << seed;
        }
        ASSERT_EQ(kernel.slots_in_use().size(), 4) << "seed " << seed;
    }
}

TEST(BpfSourcePorts, AreUsedToTheLast) {
    auto kernel = serving({40'000, 40'199});
    EXPECT_EQ(served(kernel, 201), 200);
}

}  // namespace
}  // namespace hairpin::bpf
