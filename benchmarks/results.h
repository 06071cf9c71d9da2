// What was measured: by measure, path, metric and contestant, one value a round. Pure.
#pragma once

#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "contestant.h"
#include "model/path.h"

namespace hairpin::bench {

// In base units: seconds, bytes, bits a second, numbers a second.
enum class Metric : uint8_t {
    rate,
    lowest_rate,  // in the worst second
    throughput,
    p50,
    p99,
    proxy_cpu_per_100k,  // CPU seconds for 100,000 of what is counted
    system_cpu_per_100k,
    proxy_cpu_per_gb,
    system_cpu_per_gb,
    memory,
    time,
    engine_time,
    packet_cost,  // as a multiple of what it is with one service
    connection_cost,
    packet_time,     // of an engine's program, for a packet of a flow
    bystander_time,  // for one that is for no service
    failed,          // for each 100 that were done
};
using Sample = std::vector<std::pair<Metric, double>>;

bool more_is_better(Metric metric);
std::string format(Metric metric, double value);  // "51.2k/s", "9.5 Gbit/s", "120 µs"

struct Spread {
    double median = 0;
    double low = 0;
    double high = 0;
};
// Precondition of both: not empty, and of the same size.
Spread spread_of(std::vector<double> values);
Spread ratio_of(const std::vector<double>& values, const std::vector<double>& to);  // round by round

struct Key {
    std::string measure;
    Path path = Path::external;
    Metric metric = Metric::rate;

    auto operator<=>(const Key&) const = default;
};

class Results {
public:
    void add(const std::string& measure, Path path, Contestant contestant, const Sample& sample);
    // It could not be measured; what was is dropped.
    void give_up(const std::string& measure, Path path, Contestant contestant, std::string reason);

    // Null: not measured.
    const std::vector<double>* find(const Key& key, Contestant contestant) const;
    bool gave_up(const std::string& measure, Path path, Contestant contestant) const;

    struct Gap {
        std::string measure;
        Path path = Path::external;
        Contestant contestant = Contestant::direct;
        std::string reason;
    };
    const std::vector<Key>& keys() const { return keys_; }  // in the order in which they came up
    const std::vector<Gap>& gaps() const { return gaps_; }

private:
    std::vector<Key> keys_;
    std::map<std::pair<Key, Contestant>, std::vector<double>> values_;
    std::vector<Gap> gaps_;
};

}  // namespace hairpin::bench

namespace hairpin {
template <>
inline constexpr auto names_of<bench::Metric> = std::to_array<std::string_view>(
    {"rate", "lowest rate", "throughput", "p50", "p99", "proxy CPU per 100k", "system CPU per 100k", "proxy CPU per GB",
     "system CPU per GB", "memory", "time", "engine's time", "cost of a packet", "cost of a connection",
     "packet of a flow", "packet of no service", "failed"});
}  // namespace hairpin
