// How long a flow may rest.
#include "engines/bpf/sweeper.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "engines/bpf/clock.h"

namespace hairpin::bpf {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

hp_half half(uint8_t protocol, unsigned marks = 0) {
    hp_half half{};
    half.protocol = protocol;
    half.marks = static_cast<uint8_t>(marks);
    return half;
}

FlowState flow(uint8_t protocol, unsigned marks = 0) {
    return {.asked = {}, .forth = half(protocol, marks), .back = {}};
}

TEST(BpfSweeper, UdpRestsForAsLongAsItsServiceSays) {
    EXPECT_EQ(rest_of(half(IPPROTO_UDP), {.udp = seconds(7)}), seconds(7));
}

TEST(BpfSweeper, TcpRestsForAsLongAsItsServiceSays) {
    const Rests brief{.established = seconds(7)};
    EXPECT_EQ(rest_of(half(IPPROTO_TCP, HP_ESTABLISHED), brief), seconds(7));
    EXPECT_EQ(rest_of(half(IPPROTO_TCP), brief), minutes(4));
}

// RFC 5382 REQ-5: two hours and four minutes; four minutes while it is opened or closed.
TEST(BpfSweeper, TcpRestsByItsState) {
    EXPECT_GE(rest_of(half(IPPROTO_TCP, HP_ESTABLISHED), {}), hours(2) + minutes(4));
    EXPECT_EQ(rest_of(half(IPPROTO_TCP), {}), minutes(4)) << "whoever asked may not exist";
    EXPECT_EQ(rest_of(half(IPPROTO_TCP, HP_ESTABLISHED | HP_FIN_OF_CLIENT), {}), minutes(4));
    EXPECT_EQ(rest_of(half(IPPROTO_TCP, HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND), {}), minutes(4));
    EXPECT_EQ(rest_of(half(IPPROTO_TCP, HP_RESET), {}), minutes(4)) << "it may be forged (RFC 7857 2.2)";
}

TEST(BpfSweeper, TicksGoOnWhereTheyWrap) {
    const auto tick = std::chrono::nanoseconds(1 << HP_TICK_BITS);
    EXPECT_EQ(since(UINT32_MAX, 1), 2 * tick);
    EXPECT_EQ(since(5, 4).count(), 0) << "it was seen since";
    FlowState flow{.asked = {}, .forth = half(IPPROTO_UDP), .back = half(IPPROTO_UDP)};
    flow.forth.seen = UINT32_MAX;
    flow.back->seen = 1;
    EXPECT_EQ(flow.seen(), 1U);
    flow.back.reset();
    EXPECT_EQ(flow.seen(), UINT32_MAX);
}

TEST(BpfSweeper, AFlowEndsWithAResetOrBothFins) {
    EXPECT_FALSE(flow(IPPROTO_TCP).ended());
    EXPECT_FALSE(flow(IPPROTO_TCP, HP_FIN_OF_CLIENT).ended());
    EXPECT_FALSE(flow(IPPROTO_TCP, HP_FIN_OF_BACKEND | HP_FROM_INSIDE).ended());
    EXPECT_TRUE(flow(IPPROTO_TCP, HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND).ended());
    EXPECT_TRUE(flow(IPPROTO_TCP, HP_RESET).ended());
}

}  // namespace
}  // namespace hairpin::bpf
