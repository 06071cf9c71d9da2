// What the pure functions cost that run for each flow or each configuration.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>

#include "config/config.h"
#include "engines/proxy/proxy_protocol.h"
#include "model/balance.h"
#include "model/slots.h"
#include "model/translate.h"

namespace hairpin {
namespace {

// `number` services of one endpoint and two backends each.
std::string services(int64_t number) {
    std::string yaml = "services:\n";
    for (int64_t i = 0; i < number; ++i) {
        yaml +=
            fmt::format("  s{}: {{listen: \"1.1.{}.1:{}\", backends: [\"10.0.{}.{}:1000\", \"10.0.{}.{}:1001\"]}}\n", i,
                        i / 1000, 10'000 + i % 1000, i % 250, 1 + i / 250 % 250, i % 250, 1 + i / 250 % 250);
    }
    return yaml;
}

const Leg asked = {Protocol::tcp, *Endpoint::parse("1.0.0.100:40000"), *Endpoint::parse("1.1.0.1:10000")};

void load_configuration(benchmark::State& state) {
    const std::string yaml = services(state.range(0));
    while (state.KeepRunning()) {
        Config config = parse_config(yaml, "hairpin.yaml");
        if (!config.errors.empty()) state.SkipWithError(config.errors.front().message.c_str());
        benchmark::DoNotOptimize(config);
    }
}
BENCHMARK(load_configuration)->Arg(100'000)->Unit(benchmark::kMillisecond);

void translate_flow(benchmark::State& state) {
    const Ruleset ruleset(parse_config(services(state.range(0)), "hairpin.yaml").services);
    const Topology topology({{2, "ext"}, {3, "int"}}, {{*Ip::parse("1.1.0.1"), 24, 2}, {*Ip::parse("10.0.0.1"), 16, 3}},
                            {{Prefix::of(Ip::v4(0), 0), *Ip::parse("1.1.0.100"), 2}});
    while (state.KeepRunning()) {
        const auto flow = translate(ruleset, topology, asked, Choice{1});
        if (!flow) state.SkipWithError("no flow");
        benchmark::DoNotOptimize(flow);
    }
}
BENCHMARK(translate_flow)->Arg(2)->Arg(100'000);

void hash_source(benchmark::State& state) {
    Ip client = asked.source.ip;
    while (state.KeepRunning()) benchmark::DoNotOptimize(source_hash(client, 10));
}
BENCHMARK(hash_source);

void build_maglev(benchmark::State& state) {
    Service service;
    service.balance = Balance::maglev;
    for (uint32_t i = 0; i < state.range(0); ++i) service.backends.push_back({{Ip::v4(0x0A000001 + i), {80, 80}}});
    while (state.KeepRunning()) benchmark::DoNotOptimize(slots_of(service));
}
BENCHMARK(build_maglev)->Arg(2)->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);

void parse_header(benchmark::State& state) {
    const auto version = state.range(0) == 1 ? ProxyHeader::v1 : ProxyHeader::v2;
    std::array<uint8_t, proxy_header_space> space{};
    const auto header = write_proxy_header(version, Protocol::tcp, {asked.source, asked.destination}, space);
    while (state.KeepRunning()) {
        const auto parsed = parse_proxy_header(header, Protocol::tcp);
        if (parsed.status != ProxyParse::Status::complete) state.SkipWithError("not a header");
        benchmark::DoNotOptimize(parsed);
    }
}
BENCHMARK(parse_header)->Arg(1)->Arg(2);

}  // namespace
}  // namespace hairpin
