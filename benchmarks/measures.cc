#include "measures.h"

#include <fmt/format.h>

#include <limits>

#include "generator.h"
#include "load.h"
#include "net/sysctl.h"
#include "packet_cost.h"
#include "scale.h"
#include "tools.h"
#include "usage.h"

namespace hairpin::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto slice = milliseconds(500);
constexpr auto second = seconds(1);  // the least that wrk and iperf3 take
constexpr int sustained_seconds = 60;
constexpr size_t idle_connections = 4000;
constexpr size_t datagram_sockets = 64;
constexpr uint32_t frames = 1 << 20;
constexpr uint32_t crowd = 1'000'000;  // of flows

const std::vector<Path> both = {Path::external, Path::peer};
const std::vector<Path> external = {Path::external};
const std::vector<Path> peer = {Path::peer};
const std::vector<Path> none = {};

// The buffers of a proxy show only in bulk.
bool with_small_buffers(Contestant c) { return !has_large_buffers(c); }
bool with_udp(Contestant c) { return carries_udp(c) && !has_large_buffers(c); }
bool everybody(Contestant) { return true; }
bool is_proxy(Contestant c) { return !is_in_kernel(c); }
bool is_one_proxy_each(Contestant c) { return is_proxy(c) && !has_large_buffers(c); }

// CPU time from its making on.
class Meter {
public:
    explicit Meter(const Arena& arena) : arena_(arena) {}

    // What it took for each of `units`.
    void add_to(Sample& sample, Metric proxy, Metric system, double units) const {
        if (is_proxy(arena_.contestant())) sample.emplace_back(proxy, (proxy_now() - proxy_) / units);
        sample.emplace_back(system, (machine_cpu() - system_) / units);
    }

private:
    double proxy_now() const { return arena_.process() ? process_cpu(arena_.process()->pid()) : 0; }

    const Arena& arena_;
    const double proxy_ = proxy_now();
    const double system_ = machine_cpu();
};

Result<Sample> counted(const Arena& arena, const std::function<Result<Outcome>()>& load) {
    const Meter meter(arena);
    const auto outcome = load();
    if (!outcome) return outcome.error();
    const auto done = static_cast<double>(outcome->done);
    Sample sample{{Metric::rate, outcome->rate()}};
    meter.add_to(sample, Metric::proxy_cpu_per_100k, Metric::system_cpu_per_100k, done / 1e5);
    sample.emplace_back(Metric::failed, 100 * static_cast<double>(outcome->failed) / done);
    return sample;
}

// --- Connections

Result<Sample> connect(const Arena& arena, Path path, Ending ending) {
    // 2, the kernel's default: only within the machine itself.
    const char* reuse = ending == Ending::reset ? "2" : "1";
    if (auto set = arena.set_everywhere("net/ipv4/tcp_tw_reuse", reuse); !set) return set.error();
    return counted(arena, [&] { return connect_load(arena.requests(path), ending, slice); });
}

Result<Sample> connect_sustained(const Arena& arena, Path path) {
    const auto fresh = Arena::open(arena.contestant());  // no port is held yet by what has been
    if (!fresh) return fresh.error();
    double total = 0;
    double lowest = std::numeric_limits<double>::max();
    for (int i = 0; i < sustained_seconds; ++i) {
        const auto outcome = connect_load((*fresh)->requests(path), Ending::reset, second);
        const double rate = outcome ? outcome->rate() : 0;
        total += rate;
        lowest = std::min(lowest, rate);
    }
    return Sample{{Metric::rate, total / sustained_seconds}, {Metric::lowest_rate, lowest}};
}

Result<Sample> idle(const Arena& arena, Path path) {
    const auto fresh = Arena::open(arena.contestant());  // holds no memory of earlier connections
    if (!fresh) return fresh.error();
    const pid_t proxy = (*fresh)->process()->pid();
    const double before = process_memory(proxy);
    const auto held = hold_connections((*fresh)->requests(path), idle_connections);
    if (!held) return held.error();
    return Sample{{Metric::memory, (process_memory(proxy) - before) / static_cast<double>(idle_connections)}};
}

// --- Requests and bytes

Result<Sample> requests(const Arena& arena, Path path, int connections) {
    const Meter meter(arena);
    const auto done = run_wrk(arena.requests(path), connections, second);
    if (!done) return done.error();
    Sample sample{{Metric::rate, done->rate}, {Metric::p50, done->p50}, {Metric::p99, done->p99}};
    meter.add_to(sample, Metric::proxy_cpu_per_100k, Metric::system_cpu_per_100k, done->number / 1e5);
    return sample;
}

Result<Sample> bulk(const Arena& arena, Path path, int streams) {
    const Meter meter(arena);
    const auto done = run_iperf(arena.bulk(path), streams, second);
    if (!done) return done.error();
    Sample sample{{Metric::throughput, done->bits_per_second()}};
    meter.add_to(sample, Metric::proxy_cpu_per_gb, Metric::system_cpu_per_gb, done->bytes / 1e9);
    return sample;
}

Result<Sample> bulk_reno(const Arena& arena, Path path, int streams) {
    constexpr auto key = "net/ipv4/tcp_congestion_control";
    const auto usual = read_sysctl(key);
    if (!usual) return usual.error();
    if (auto set = arena.set_everywhere(key, "reno"); !set) return set.error();
    auto sample = bulk(arena, path, streams);
    if (auto set = arena.set_everywhere(key, *usual); !set) return set.error();
    return sample;
}

// --- Datagrams

Result<Sample> datagrams(const Arena& arena, Path path) {
    return counted(arena, [&] { return datagram_load(arena.requests(path), datagram_sockets, slice); });
}

Result<Sample> bursts(const Arena& arena, Path path) {
    return counted(arena, [&] { return burst_load(arena.requests(path), arena.responder(), slice); });
}

Result<Sample> packets(const Arena& arena, Path path, uint32_t flows) {
    const auto rate = packets_per_second(arena, path, flows, frames);
    if (!rate) return rate.error();
    return Sample{{Metric::rate, *rate}};
}

// Connection tracking's limit is that of the whole machine, a quarter of these flows by default. They outlive the
// measure, so they get a network of their own.
Result<Sample> packets_of_a_crowd(const Arena& arena, Path path, uint32_t flows) {
    constexpr auto limit = "net/netfilter/nf_conntrack_max";
    const auto usual = read_sysctl(limit);
    if (!usual) return usual.error();
    if (auto set = write_sysctl(limit, std::to_string(2 * flows)); !set) return set.error();
    const auto fresh = Arena::open(arena.contestant());
    auto sample = fresh ? packets(**fresh, path, flows) : fresh.error();
    if (auto set = write_sysctl(limit, *usual); !set) return set.error();
    return sample;
}

Result<Sample> start(const Arena& arena, Path) {
    const auto fresh = Arena::open(arena.contestant());
    if (!fresh) return fresh.error();
    return Sample{{Metric::time, (*fresh)->seconds_to_ready()}};
}

// "1 stream", "8 streams".
std::string number_of(int number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

}  // namespace

std::vector<Measure> all_measures() {
    std::vector<Measure> all = {
        {"connect-reset", "TCP connections, each answered once, then reset by the client", both, with_small_buffers,
         [](const Arena& a, Path p) { return connect(a, p, Ending::reset); }, both},
        {"connect-close", "the same, closed by the client, with tcp_tw_reuse=1", both, with_small_buffers,
         [](const Arena& a, Path p) { return connect(a, p, Ending::close); }},
    };
    for (const int n : {1, 16, 256}) {
        all.push_back({fmt::format("rr-{}", n), fmt::format("requests over TCP, {} (wrk)", number_of(n, "connection")),
                       both, with_small_buffers, [n](const Arena& a, Path p) { return requests(a, p, n); },
                       n == 16 ? peer : none});
    }
    for (const int n : {1, 4, 8}) {
        all.push_back({fmt::format("bulk-{}", n), fmt::format("{} (iperf3)", number_of(n, "TCP stream")),
                       n == 4 ? external : both, everybody, [n](const Arena& a, Path p) { return bulk(a, p, n); },
                       n == 1 ? external : none});
    }
    for (const int n : {1, 4}) {
        all.push_back({fmt::format("bulk-reno-{}", n),
                       fmt::format("{}, congestion control reno", number_of(n, "TCP stream")), external, everybody,
                       [n](const Arena& a, Path p) { return bulk_reno(a, p, n); }});
    }
    all.push_back(
        {"udp-rr", fmt::format("UDP requests from {} sockets", datagram_sockets), both, with_udp, datagrams, both});
    all.push_back(
        {"udp-burst", "UDP datagrams of 64 bytes from one socket, as fast as it sends", both, with_udp, bursts});
    for (const uint32_t n : {64U, 40'000U, crowd}) {
        const auto run = n == crowd ? packets_of_a_crowd : packets;
        all.push_back({fmt::format("pps-{}", n), fmt::format("UDP packets of {} flows, made in the kernel", n),
                       n == 64 ? both : external, is_in_kernel,
                       [n, run](const Arena& a, Path p) { return run(a, p, n); }, n == 64 ? peer : none,
                       n == crowd ? 3 : 0});
    }
    all.push_back({"memory", fmt::format("user memory for each of {} idle connections", idle_connections), external,
                   is_one_proxy_each, idle});
    all.push_back({"start", "from exec to ready, two services", external, is_hairpin, start});
    for (Measure& measure : packet_cost_measures()) all.push_back(std::move(measure));
    for (Measure& measure : scale_measures()) all.push_back(std::move(measure));
    all.push_back({"connect-sustained", fmt::format("connect-reset for {} s without a pause", sustained_seconds),
                   external, is_one_proxy_each, connect_sustained, none, 1});
    return all;
}

}  // namespace hairpin::bench
