// Fragments, of which only the first of a packet says to which flow it belongs.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "host_kernel.h"
#include "support/gate.h"
#include "support/noise.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

constexpr int ext = 2;
constexpr int inside = 3;

// What is cut, and who is there.
struct Kind {
    const char* name;
    Protocol protocol;
    const char* service;
    const char* unserved;  // another port,
    const char* stranger;  // another host: what goes there is none of our business
    const char* client;
    const char* peers[2];
    const char* backend;
};
constexpr Kind kinds[] = {
    {"udp_v4",
     Protocol::udp,
     "1.0.0.1:53",
     "1.0.0.1:54",
     "1.0.0.99:53",
     "1.0.0.100:5353",
     {"10.0.0.50:5353", "10.0.0.51:5353"},
     "10.0.0.2:53"},
    {"udp_v6",
     Protocol::udp,
     "[2001:db8::1]:53",
     "[2001:db8::1]:54",
     "[2001:db8::99]:53",
     "[2001:db8::100]:5353",
     {"[fd00::50]:5353", "[fd00::51]:5353"},
     "[fd00::2]:53"},
    {"tcp_v4",
     Protocol::tcp,
     "1.0.0.1:53",
     "1.0.0.1:54",
     "1.0.0.99:53",
     "1.0.0.100:5353",
     {"10.0.0.50:5353", "10.0.0.51:5353"},
     "10.0.0.2:53"},
};

class BpfFragments : public testing::TestWithParam<Kind> {
protected:
    static constexpr size_t size = 64;  // of a piece

    bool v4() const { return endpoint(GetParam().service).ip.is_v4(); }
    size_t ip_header() const { return v4() ? 20 : 40 + 8; }  // with that of the fragment
    size_t header() const { return GetParam().protocol == Protocol::udp ? 8 : 20; }

    HostKernel serving() const {
        Compiler compiler(0);
        const Tables tables =
            compiler.compile({Ruleset({service("dns", {GetParam().service}, {GetParam().backend}, Protocols::both)}),
                              two_legged().topology()},
                             {40'000, 49'999}, [](const Service&) { return 0U; });
        return HostKernel(tables, 1, [](const Ip&) { return HostKernel::Route{inside}; });
    }

    std::string payload(size_t pieces, uint32_t seed) const { return noise(pieces * size - header(), seed); }

    // Over TCP it is a SYN that carries data.
    std::vector<std::string> pieces_of(const char* from, size_t pieces, uint16_t id, const char* to = nullptr) const {
        const Endpoint asked = endpoint(to ? to : GetParam().service);
        const std::string all = payload(pieces, id);
        const auto packet = GetParam().protocol == Protocol::udp
                                ? udp_packet(endpoint(from), asked, all)
                                : tcp_packet(endpoint(from), asked, {.syn = true}, all);
        std::vector<std::string> frames;
        for (const std::string& piece : fragments_of(packet, size, id)) frames.push_back(frame_of(piece));
        return frames;
    }

    std::string id_of(const std::string& packet) const { return v4() ? packet.substr(4, 2) : packet.substr(44, 4); }

    std::string contents(std::vector<std::string> packets) const {
        const size_t at = v4() ? 6 : 42;
        const auto offset = [&](const std::string& packet) {
            const int field = static_cast<uint8_t>(packet[at]) << 8 | static_cast<uint8_t>(packet[at + 1]);
            return v4() ? field & 0x1fff : field >> 3;
        };
        std::ranges::sort(packets, {}, offset);
        std::string all;
        for (const std::string& packet : packets) all += packet.substr(ip_header());
        return all.substr(header());
    }
};
INSTANTIATE_TEST_SUITE_P(Of, BpfFragments, testing::ValuesIn(kinds), [](const auto& test) { return test.param.name; });

std::string ip_packet(const std::string& frame) { return frame.substr(14); }

// What became of frames in the end: what was put on the link anew comes after them.
struct Outcome {
    std::vector<std::string> sent;
    std::vector<std::string> passed;
};
void settle(HostKernel& kernel, std::deque<Verdict> verdicts, Outcome& outcome, int link = ext) {
    while (!verdicts.empty()) {
        const Verdict verdict = std::move(verdicts.front());
        verdicts.pop_front();
        if (verdict.action == Verdict::Action::send) outcome.sent.push_back(ip_packet(verdict.frame));
        if (verdict.action == Verdict::Action::pass) outcome.passed.push_back(ip_packet(verdict.frame));
        for (const std::string& frame : verdict.again) verdicts.push_back(kernel.arrives(link, frame));
    }
}
Outcome outcome_of(HostKernel& kernel, const std::vector<std::string>& frames, int link = ext) {
    Outcome outcome;
    for (const std::string& frame : frames) settle(kernel, {kernel.arrives(link, frame)}, outcome, link);
    return outcome;
}

TEST_P(BpfFragments, ThatCameBeforeTheFirstAreSentAfterIt) {
    auto kernel = serving();
    auto frames = pieces_of(GetParam().client, 5, 7);
    std::ranges::reverse(frames);
    const auto early = outcome_of(kernel, {frames.begin(), frames.end() - 1});
    EXPECT_TRUE(early.sent.empty() && early.passed.empty());
    const auto rest = outcome_of(kernel, {frames.back()});
    ASSERT_EQ(rest.sent.size(), frames.size());
    EXPECT_EQ(contents(rest.sent), payload(5, 7));
    EXPECT_EQ(ip_packet(frames.back()).substr(ip_header() + header()), rest.sent.front().substr(ip_header() + header()))
        << "the first at the head";
    for (const std::string& packet : rest.sent) EXPECT_EQ(id_of(packet), id_of(rest.sent.front()));
}

TEST_P(BpfFragments, OfTwoDatagramsWithOneIdLeaveWithTwo) {
    auto kernel = serving();
    const auto one = outcome_of(kernel, pieces_of(GetParam().peers[0], 2, 7), inside);
    const auto other = outcome_of(kernel, pieces_of(GetParam().peers[1], 2, 7), inside);
    ASSERT_EQ(one.sent.size(), 2u);
    ASSERT_EQ(other.sent.size(), 2u);
    EXPECT_NE(id_of(one.sent.front()), id_of(other.sent.front()));
}

TEST_P(BpfFragments, OfOthersPassUnchangedInAnyOrder) {
    auto kernel = serving();
    for (const char* to : {GetParam().unserved, GetParam().stranger}) {
        auto frames = pieces_of(GetParam().client, 3, 7, to);
        std::ranges::reverse(frames);
        auto passed = outcome_of(kernel, frames).passed;
        std::ranges::sort(passed);
        std::vector<std::string> packets;
        for (const std::string& frame : frames) packets.push_back(ip_packet(frame));
        std::ranges::sort(packets);
        EXPECT_EQ(passed, packets) << to;
    }
}

// An identification comes round.
TEST_P(BpfFragments, ThatWaitedTooLongAreOfNoLaterDatagram) {
    auto kernel = serving();
    const auto old = pieces_of(GetParam().client, 4, 7);
    EXPECT_TRUE(outcome_of(kernel, {old[1], old[2]}).sent.empty());
    kernel.pass_time(std::chrono::seconds(3));
    const auto frames = pieces_of(GetParam().client, 4, 7);
    EXPECT_EQ(outcome_of(kernel, {frames[3], frames[0]}).sent.size(), 2u);
}

TEST_P(BpfFragments, ThatOnlyClaimToBeFromInsideDoNotWait) {
    auto kernel = serving();
    const auto frames = pieces_of(GetParam().peers[0], 2, 7);
    EXPECT_EQ(kernel.arrives(ext, frames[1]).action, Verdict::Action::drop);
    EXPECT_EQ(outcome_of(kernel, {frames[0]}, inside).sent.size(), 1u);
    EXPECT_EQ(kernel.arrives(ext, frames[1]).action, Verdict::Action::drop) << "nor go with those that are";
}

TEST_P(BpfFragments, GoBackOnlyToTheLinkThatTheyCameBy) {
    auto kernel = serving();
    const auto frames = pieces_of(GetParam().client, 2, 7);
    EXPECT_EQ(kernel.arrives(ext, frames[1]).action, Verdict::Action::drop);
    EXPECT_EQ(outcome_of(kernel, {frames[0]}, inside).sent.size(), 1u);
}

TEST_P(BpfFragments, DoNotWaitWhereTheyLeaveOrAreOfOthers) {
    auto kernel = serving();
    const auto frames = pieces_of(GetParam().client, 2, 7);
    EXPECT_EQ(kernel.leaves(ext, frames[1]).action, Verdict::Action::pass);
    EXPECT_EQ(outcome_of(kernel, {frames[0]}).sent.size(), 1u) << "there is no copy";
    EXPECT_EQ(kernel.arrives(ext, pieces_of(GetParam().client, 2, 7, GetParam().stranger)[1]).action,
              Verdict::Action::pass);
}

TEST_P(BpfFragments, GiveWayToLaterOnesWhereTooManyWait) {
    auto kernel = serving();
    constexpr uint16_t more = 3;
    const auto pieces = [this](uint16_t id) { return pieces_of(GetParam().client, 2, id); };
    for (uint16_t id = 1; id <= HP_MOST_COPIES + more; ++id) (void)outcome_of(kernel, {pieces(id)[1]});
    for (uint16_t id = 1; id <= HP_MOST_COPIES + more; ++id) {
        EXPECT_EQ(outcome_of(kernel, {pieces(id)[0]}).sent.size(), id <= more ? 1u : 2u) << id;
    }
}

TEST_P(BpfFragments, BeforeTheFirstAreHeldUpToABound) {
    auto kernel = serving();
    auto frames = pieces_of(GetParam().client, HP_MOST_EARLY + 3, 7);
    std::ranges::reverse(frames);
    const auto outcome = outcome_of(kernel, frames);
    EXPECT_EQ(outcome.passed.size(), 2u);
    EXPECT_EQ(outcome.sent.size(), HP_MOST_EARLY + 1u);
}

// The whole datagram in a row, before anything that was put on the link once more.
TEST_P(BpfFragments, AreNotLostWhereTheyFollowTheFirstAtOnce) {
    auto kernel = serving();
    const auto frames = pieces_of(GetParam().client, 3, 7);
    std::deque<Verdict> verdicts;
    for (const size_t i : {1, 0, 2}) verdicts.push_back(kernel.arrives(ext, frames[i]));
    Outcome outcome;
    settle(kernel, std::move(verdicts), outcome);
    ASSERT_EQ(outcome.sent.size(), 3u);
    EXPECT_EQ(contents(outcome.sent), payload(3, 7));
}

// All arrive at the same moment, each on a processor of its own; the first may have a flow to begin, and the
// identification may have come round.
TEST_P(BpfFragments, AreNotLostWhereTheyArriveAtTheSameMoment) {
    for (uint32_t seed = 0; seed < 400; ++seed) {
        auto kernel = serving();
        const auto frames = pieces_of(GetParam().client, 3, 7);
        if (seed % 2 == 0) (void)outcome_of(kernel, frames);
        if (seed % 4 == 0) kernel.pass_time(std::chrono::seconds(3));
        std::deque<Verdict> verdicts(frames.size());
        std::vector<std::function<void()>> processors;
        for (size_t i = 0; i < frames.size(); ++i) {
            processors.emplace_back([&, i] { verdicts[i] = kernel.arrives(ext, frames[i]); });
        }
        HostKernel::at_once(processors, seed);
        Outcome outcome;
        settle(kernel, std::move(verdicts), outcome);
        ASSERT_EQ(outcome.sent.size(), 3u) << "seed " << seed;
        EXPECT_EQ(contents(outcome.sent), payload(3, 7));
    }
}

}  // namespace
}  // namespace hairpin::bpf
