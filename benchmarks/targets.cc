#include "targets.h"

#include <fmt/format.h>

namespace hairpin::bench {
namespace {

const std::vector<Contestant> proxies = {Contestant::haproxy, Contestant::nginx};
const std::vector<Contestant> udp_proxies = {Contestant::nginx};
const std::vector<Contestant> by_hand = {Contestant::nftables};
const std::vector<Contestant> engine_nft = {Contestant::hairpin_nft};

constexpr std::string_view small_messages =
    "[the kernel's TCP](decisions/0003-proxy-epoll-copy-and-splice.md#where-the-time-of-small-messages-goes)";

constexpr std::string_view connections =
    "[opening and closing sockets](decisions/0003-proxy-epoll-copy-and-splice.md#where-the-time-of-a-connection-goes)";

constexpr std::string_view bulk =
    "[the two ends](decisions/0003-proxy-epoll-copy-and-splice.md#where-the-time-of-bulk-goes)";

constexpr std::string_view datagrams = "[figures and profile](decisions/0010-datagrams-in-segments.md#figures)";

constexpr std::string_view guards =
    "[what it does beside translating](decisions/0011-nft-one-hook-for-established-packets.md#figures)";

constexpr std::string_view packets =
    "[what a packet takes](decisions/0012-tc-flows-in-a-map-and-clients-on-lo.md#where-the-time-of-a-packet-goes)";

constexpr std::string_view programs =
    "[what a program takes](decisions/0012-tc-flows-in-a-map-and-clients-on-lo.md#where-the-time-of-a-program-goes)";

constexpr std::string_view attaching =
    "[attaching](decisions/0012-tc-flows-in-a-map-and-clients-on-lo.md#where-the-time-of-a-start-goes)";

constexpr std::string_view entries =
    "[making two entries](decisions/0012-tc-flows-in-a-map-and-clients-on-lo.md#where-the-time-of-a-connection-goes)";

constexpr std::string_view generator = "[the drivers](decisions/0013-xdp-a-short-cut-before-tc.md#where-the-time-goes)";

bool holds(const Target& target, double value) {
    return more_is_better(target.key.metric) ? value >= target.bound : value <= target.bound;
}

// The rival that is hardest to beat, among those that were measured.
std::optional<Contestant> best(const Target& target, const Results& results) {
    std::optional<Contestant> chosen;
    double chosen_median = 0;
    for (const Contestant rival : target.rivals) {
        const auto* values = results.find(target.key, rival);
        if (values == nullptr) continue;
        const double median = spread_of(*values).median;
        if (!chosen || (median > chosen_median) == more_is_better(target.key.metric)) {
            chosen = rival;
            chosen_median = median;
        }
    }
    return chosen;
}

}  // namespace

std::vector<Target> all_targets(std::string_view congestion_control) {
    constexpr auto external = Path::external;
    constexpr auto proxy = Contestant::hairpin_proxy;
    constexpr auto nft = Contestant::hairpin_nft;
    constexpr auto tc = Contestant::hairpin_tc;
    constexpr auto xdp = Contestant::hairpin_xdp;
    const bool paced = congestion_control == "bbr";
    std::vector<Target> all = {
        {{"connect-sustained", external, Metric::rate}, proxy, proxies, 1.0, connections},
        {{"connect-sustained", external, Metric::lowest_rate}, proxy, proxies, 1.0, connections},
        {{"connect-reset", external, Metric::rate}, proxy, proxies, 1.0, connections},
        {{"connect-close", external, Metric::rate}, proxy, proxies, 1.0, connections},
    };
    for (const char* measure : {"rr-16", "rr-256"}) {
        all.push_back({{measure, external, Metric::rate}, proxy, proxies, 1.1, small_messages});
        all.push_back({{measure, external, Metric::system_cpu_per_100k}, proxy, proxies, 0.9, small_messages});
    }
    all.push_back({{"bulk-1", external, Metric::throughput}, proxy, proxies, paced ? 1.6 : 2.1, bulk});
    all.push_back({{"bulk-4", external, Metric::throughput}, proxy, proxies, paced ? 1.4 : 2.3, bulk});
    all.push_back({{"bulk-reno-1", external, Metric::throughput}, proxy, proxies, 2.1, bulk});
    all.push_back({{"bulk-reno-4", external, Metric::throughput}, proxy, proxies, 2.3, bulk});
    for (const char* measure : {"bulk-1", "bulk-4", "bulk-reno-1", "bulk-reno-4"}) {
        all.push_back({{measure, external, Metric::proxy_cpu_per_gb}, proxy, proxies, 0.4});
    }
    all.push_back({{"udp-rr", external, Metric::rate}, proxy, udp_proxies, 1.3, datagrams});
    all.push_back({{"udp-burst", external, Metric::rate}, proxy, udp_proxies, 2.8, datagrams});
    all.push_back({{"memory", external, Metric::memory}, proxy, {}, 0.3 * 1024});
    for (const char* measure : {"connect-reset", "connect-close"}) {
        all.push_back({{measure, Path::peer, Metric::rate}, proxy, proxies, 1.0, connections});
    }
    for (const char* measure : {"rr-16", "rr-256"}) {
        all.push_back({{measure, Path::peer, Metric::rate}, proxy, proxies, 1.1, small_messages});
    }
    for (const Path path : {external, Path::peer}) {
        for (const char* measure :
             {"connect-reset", "connect-close", "rr-1", "rr-16", "rr-256", "udp-rr", "udp-burst", "pps-64"}) {
            all.push_back({{measure, path, Metric::rate}, nft, by_hand, 1.0, guards});
        }
        for (const char* measure : {"bulk-1", "bulk-8"}) {
            all.push_back({{measure, path, Metric::throughput}, nft, by_hand, 1.0, guards});
        }
        all.push_back({{"services", path, Metric::packet_cost}, nft, {}, 1.05});
        all.push_back({{"services", path, Metric::connection_cost}, nft, {}, 1.05});
    }
    for (const char* measure : {"pps-40000", "pps-1000000"}) {
        all.push_back({{measure, external, Metric::rate}, nft, by_hand, 1.0, guards});
    }
    for (const Path path : {external, Path::peer}) {
        const std::vector<Contestant> no_balancer = {path == external ? Contestant::direct : Contestant::routed};
        all.push_back({{"connect-reset", path, Metric::rate}, tc, no_balancer, 1.0, entries});
        for (const char* measure : {"rr-1", "rr-16", "rr-256"}) {
            all.push_back({{measure, path, Metric::rate}, tc, no_balancer, 1.0, packets});
        }
        all.push_back({{"bulk-1", path, Metric::throughput}, tc, no_balancer, 1.0, packets});
        all.push_back({{"pps-64", path, Metric::rate}, tc, no_balancer, 0.95});
        all.push_back({{"services", path, Metric::packet_cost}, tc, {}, 1.05});
        all.push_back({{"services", path, Metric::connection_cost}, tc, {}, 1.05});
    }
    all.push_back({{"pps-40000", external, Metric::rate}, tc, {Contestant::direct}, 0.95, packets});
    all.push_back({{"pps-64", external, Metric::rate}, tc, engine_nft, 1.2});
    all.push_back({{"pps-64", Path::peer, Metric::rate}, tc, engine_nft, 1.5});
    all.push_back({{"pps-40000", external, Metric::rate}, tc, engine_nft, 1.5});
    all.push_back({{"pps-64", external, Metric::rate}, xdp, {Contestant::direct}, 3.0, generator});
    for (const auto& [engine, bound] : {std::pair(tc, 110e-9), {xdp, 60e-9}}) {
        all.push_back({{"packet-cost-1", external, Metric::packet_time}, engine, {}, bound, programs, true});
        all.push_back({{"packet-cost-1000000", external, Metric::packet_time}, engine, {}, 250e-9, programs, true});
        for (const char* measure : {"packet-cost-1", "packet-cost-10000", "packet-cost-1000000"}) {
            all.push_back({{measure, external, Metric::bystander_time}, engine, {}, 70e-9, programs, true});
        }
    }
    for (const Contestant engine : {proxy, nft}) all.push_back({{"start", external, Metric::time}, engine, {}, 0.05});
    for (const Contestant engine : {tc, xdp}) {
        all.push_back({{"start", external, Metric::time}, engine, {}, 0.05, attaching});
    }
    return all;
}

Judgement judge(const Target& target, const Results& results) {
    const auto* values = results.find(target.key, target.subject);
    const auto rival = best(target, results);
    if (values == nullptr || (!rival && !target.rivals.empty())) return {};
    Judgement judgement{Verdict::missed,
                        rival ? ratio_of(*values, *results.find(target.key, *rival)) : spread_of(*values), rival};
    const Spread& measured = judgement.measured;
    if (target.at_best) {
        const double best_round = more_is_better(target.key.metric) ? measured.high : measured.low;
        judgement.verdict = holds(target, best_round) ? Verdict::met : Verdict::missed;
        return judgement;
    }
    const bool always = holds(target, measured.low) && holds(target, measured.high);
    if (holds(target, measured.median)) {
        judgement.verdict = always ? Verdict::met : Verdict::mostly;
    } else if (holds(target, measured.low) || holds(target, measured.high)) {
        judgement.verdict = Verdict::close;
    }
    return judgement;
}

std::string bound_of(const Target& target) {
    const std::string_view side = more_is_better(target.key.metric) ? "at least" : "at most";
    const std::string_view when = target.at_best ? " in the best round" : "";
    if (!target.rivals.empty()) return fmt::format("{} {:.2g}x{}", side, target.bound, when);
    return fmt::format("{} {}{}", side, format(target.key.metric, target.bound), when);
}

}  // namespace hairpin::bench
