#include "scale.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "generator.h"
#include "load.h"

namespace hairpin::bench {
namespace {

constexpr size_t many = 100'000;
constexpr uint32_t flows = 64;
constexpr uint32_t frames = 1 << 20;
constexpr auto slice = std::chrono::milliseconds(500);

// The service that is measured, and others of which no two are alike: 1,000 on each external address, 40,000 backends.
// `version`: that of one of them, which serves UDP too, so that its change looks for flows to end.
std::string services(size_t number, int version = 0) {
    std::string yaml = fmt::format("services:\n  requests: {{listen: \"{}\", backends: \"{}\", protocol: both}}\n",
                                   asked_requests.str(), backend_requests.str());
    for (size_t i = 1; i < number; ++i) {
        const bool chosen = i == number / 2;
        const size_t host = 1000 + i % 40'000;
        yaml += fmt::format("  s{}: {{listen: \"1.1.{}.1:{}\", backends: \"10.0.{}.{}:{}\", protocol: {}}}\n", i,
                            i / 1000, 10'000 + i % 1000, host / 250, 1 + host % 250, chosen ? 1000 + version : 1000,
                            chosen ? "both" : "tcp");
    }
    return yaml;
}

Result<Sample> load(const Arena& arena, size_t number) {
    const auto fresh = Arena::open(arena.contestant(), services(number));
    if (!fresh) return fresh.error();
    return Sample{{Metric::time, (*fresh)->seconds_to_ready()}};
}

// An engine's arena with many services, opened when it is first wanted.
class Many {
public:
    explicit Many(Contestant engine) : engine_(engine) {}

    Result<const Arena*> arena() {
        if (!arena_) {
            auto opened = Arena::open(engine_, services(many));
            if (!opened) return opened.error();
            arena_ = *std::move(opened);
        }
        return arena_.get();
    }

    // Changes one of them.
    Result<Sample> change() {
        const auto opened = arena();
        if (!opened) return opened.error();
        const size_t before = arena_->process()->output().size();
        if (auto reloaded = arena_->reload(services(many, ++version_)); !reloaded) return reloaded.error();
        const std::string log = arena_->process()->output().substr(before);
        return Sample{{Metric::time, milliseconds_after(log, "endpoints, ") / 1000},
                      {Metric::engine_time, milliseconds_after(log, "engine took ") / 1000}};
    }

    // What a packet and a connection cost, as multiples of what they cost in `one`, with next to no other service.
    Result<Sample> cost(const Arena& one, Path path) {
        const auto opened = arena();
        if (!opened) return opened.error();
        const auto few_packets = packets_per_second(one, path, flows, frames);
        const auto many_packets = packets_per_second(**opened, path, flows, frames);
        const auto few = connect_load(one.requests(path), Ending::reset, slice);
        const auto all = connect_load((*opened)->requests(path), Ending::reset, slice);
        if (!few_packets || !many_packets) return few_packets ? many_packets.error() : few_packets.error();
        if (!few || !all) return few ? all.error() : few.error();
        return Sample{{Metric::packet_cost, *few_packets / *many_packets},
                      {Metric::connection_cost, few->rate() / all->rate()}};
    }

private:
    static double milliseconds_after(const std::string& log, std::string_view label) {
        const size_t at = log.find(label, log.rfind("reloaded: "));
        return at == log.npos ? 0 : std::atof(log.c_str() + at + label.size());
    }

    const Contestant engine_;
    std::unique_ptr<Arena> arena_;
    int version_ = 0;
};

bool is_kernel_engine(Contestant c) { return is_hairpin(c) && c != Contestant::hairpin_proxy; }

}  // namespace

std::vector<Measure> scale_measures() {
    std::vector<Measure> all;
    for (const size_t n : {size_t{1}, size_t{1000}, size_t{10'000}, many}) {
        all.push_back({fmt::format("load-{}", n),
                       fmt::format("from exec to ready, {} service{}", n, n == 1 ? "" : "s"),
                       {Path::external},
                       is_kernel_engine,
                       [n](const Arena& a, Path) { return load(a, n); },
                       {},
                       3});
    }
    const auto shared = std::make_shared<std::map<Contestant, Many>>();
    const auto of = [shared](const Arena& a) -> Many& {
        return shared->try_emplace(a.contestant(), a.contestant()).first->second;
    };
    all.push_back({"change",
                   fmt::format("SIGHUP that changes one of {} services", many),
                   {Path::external},
                   is_kernel_engine,
                   [of](const Arena& a, Path) { return of(a).change(); }});
    all.push_back({"services",
                   fmt::format("what {} services cost those who use one", many),
                   {Path::external, Path::peer},
                   is_kernel_engine,
                   [of](const Arena& a, Path p) { return of(a).cost(a, p); }});
    return all;
}

}  // namespace hairpin::bench
