// Whether a target is met.
#include "benchmarks/targets.h"

#include <gtest/gtest.h>

namespace hairpin::bench {
namespace {

const Key rate{"rr-16", Path::external, Metric::rate};
const Target at_least{rate, Contestant::hairpin_proxy, {Contestant::haproxy, Contestant::nginx}, 1.1};

Results with(const Key& key, std::vector<std::pair<Contestant, std::vector<double>>> figures) {
    Results results;
    for (const auto& [contestant, values] : figures) {
        for (const double value : values) results.add(key.measure, key.path, contestant, {{key.metric, value}});
    }
    return results;
}

TEST(Targets, TheBestRivalCounts) {
    const auto judgement = judge(at_least, with(rate, {{Contestant::haproxy, {90, 90, 90}},
                                                       {Contestant::nginx, {100, 100, 100}},
                                                       {Contestant::hairpin_proxy, {110, 120, 130}}}));
    EXPECT_EQ(judgement.rival, Contestant::nginx);
    EXPECT_DOUBLE_EQ(judgement.measured.median, 1.2);
    EXPECT_EQ(judgement.verdict, Verdict::met);
}

TEST(Targets, MetByTheMedianOnly) {
    const auto judgement = judge(
        at_least, with(rate, {{Contestant::haproxy, {100, 100, 100}}, {Contestant::hairpin_proxy, {90, 115, 120}}}));
    EXPECT_EQ(judgement.verdict, Verdict::mostly);
}

TEST(Targets, MissedWithinTheSpread) {
    const auto judgement = judge(
        at_least, with(rate, {{Contestant::haproxy, {100, 100, 100}}, {Contestant::hairpin_proxy, {90, 105, 120}}}));
    EXPECT_EQ(judgement.verdict, Verdict::close);
}

TEST(Targets, Missed) {
    const auto judgement = judge(
        at_least, with(rate, {{Contestant::haproxy, {100, 100, 100}}, {Contestant::hairpin_proxy, {90, 95, 105}}}));
    EXPECT_EQ(judgement.verdict, Verdict::missed);
}

// Of what costs, less is better, in a rival too.
TEST(Targets, CostsAreHeldFromAbove) {
    const Key cpu{"rr-16", Path::external, Metric::system_cpu_per_100k};
    const Target at_most{cpu, Contestant::hairpin_proxy, {Contestant::haproxy, Contestant::nginx}, 0.9};
    const auto judgement = judge(at_most, with(cpu, {{Contestant::haproxy, {2, 2, 2}},
                                                     {Contestant::nginx, {1, 1, 1}},
                                                     {Contestant::hairpin_proxy, {0.8, 0.8, 0.8}}}));
    EXPECT_EQ(judgement.rival, Contestant::nginx);
    EXPECT_EQ(judgement.verdict, Verdict::met);
}

TEST(Targets, WithoutARivalTheFigureItself) {
    const Key time{"start", Path::external, Metric::time};
    const Target under{time, Contestant::hairpin_nft, {}, 0.05};
    EXPECT_EQ(judge(under, with(time, {{Contestant::hairpin_nft, {0.04}}})).verdict, Verdict::met);
    EXPECT_EQ(judge(under, with(time, {{Contestant::hairpin_nft, {0.06}}})).verdict, Verdict::missed);
    EXPECT_EQ(bound_of(under), "at most 50 ms");
}

TEST(Targets, SomeCountTheBestRoundOnly) {
    const Key cost{"packet-cost-1", Path::external, Metric::packet_time};
    const Target under{cost, Contestant::hairpin_tc, {}, 110e-9, "", true};
    EXPECT_EQ(judge(under, with(cost, {{Contestant::hairpin_tc, {150e-9, 109e-9, 160e-9}}})).verdict, Verdict::met);
    EXPECT_EQ(judge(under, with(cost, {{Contestant::hairpin_tc, {150e-9, 111e-9, 160e-9}}})).verdict, Verdict::missed);
    EXPECT_EQ(bound_of(under), "at most 110 ns in the best round");
}

TEST(Targets, NotMeasured) {
    EXPECT_EQ(judge(at_least, with(rate, {{Contestant::hairpin_proxy, {1}}})).verdict, Verdict::unknown);
    EXPECT_EQ(judge(at_least, {}).verdict, Verdict::unknown);
}

}  // namespace
}  // namespace hairpin::bench
