// How the nft engine scales with the number of services: what it takes to load 100,000 of them, to change one, and what
// a packet costs then. Two labs of this network, one with a single service and one with all of them, take turns, so
// that whatever else the machine does falls on both:
//
//   client 1.0.0.100 ── 1.0.0.1:5432 gateway 10.0.0.1 ── switch ──┬── server1 10.0.0.2:54321
//                                                                 ╰── server2 10.0.0.3, the client of the hairpin path
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "lab/lab.h"
#include "traffic.h"

namespace hairpin::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::steady_clock;

constexpr size_t many = 100'000;
constexpr int loads = 3;
constexpr int starts = 9;
constexpr int changes = 9;
constexpr int rounds = 75;

const Endpoint asked = *Endpoint::parse("1.0.0.1:5432");
const Endpoint backend = *Endpoint::parse("10.0.0.2:54321");

[[noreturn]] void give_up(const Error& error) {
    std::fprintf(stderr, "scale: %s\n", error.message.c_str());
    std::exit(2);
}

template <class T>
T need(Result<T> result) {
    if (!result) give_up(result.error());
    return *std::move(result);
}

// --- The network and its configuration

lab::HostPlan host(std::string name, const Link& link, const char* address, int length, const char* router) {
    const auto ip = [](const char* text) { return *Ip::parse(text); };
    return {
        std::move(name), {{ip(address), length, link.index}}, {{Prefix::of(Ip::v4(0), 0), ip(router), link.index}}, {}};
}

lab::Plan network() {
    lab::HostPlan gateway = host("gateway", lab::ext, "1.0.0.1", 24, "1.0.0.100");
    gateway.addresses.push_back({*Ip::parse("10.0.0.1"), 16, lab::inside.index});
    lab::Plan plan;
    plan.hosts = {gateway, host("client", lab::ext, "1.0.0.100", 24, "1.0.0.1"),
                  host("server1", lab::inside, "10.0.0.2", 16, "10.0.0.1"),
                  host("server2", lab::inside, "10.0.0.3", 16, "10.0.0.1")};
    return plan;
}

// A service that is measured, and others of which no two are alike: 1,000 on each external address, 40,000 backends.
// `version`: that of one of them, which serves UDP too, so that its change looks for flows to end.
std::string configuration(size_t services, int version = 0) {
    std::string yaml = fmt::format("services:\n  measured: {{listen: \"{}\", backends: \"{}\", protocol: both}}\n",
                                   asked.str(), backend.str());
    for (size_t i = 1; i < services; ++i) {
        const bool chosen = i == services / 2;
        const size_t host = 1000 + i % 40'000;
        yaml += fmt::format("  s{}: {{listen: \"1.1.{}.1:{}\", backends: \"10.0.{}.{}:{}\", protocol: {}}}\n", i,
                            i / 1000, 10'000 + i % 1000, host / 250, 1 + host % 250, chosen ? 1000 + version : 1000,
                            chosen ? "both" : "tcp");
    }
    return yaml;
}

// --- A gateway that runs with it

class Gateway {
public:
    Gateway(const std::string& program, const std::string& yaml) {
        write(yaml);
        lab_ = need(lab::Lab::start(
            network(), {.command = {program, "run", "-c", file_, "--engine", "nft"}, .ready_timeout = minutes(1)}));
    }
    ~Gateway() { unlink(file_.c_str()); }
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    const lab::Host& host(const char* name) const { return lab_->host(name); }

    // The number before " ms" in the last line of the log with these words.
    double logged(std::string_view line, std::string_view before_number) const {
        const std::string log = lab_->daemon_log();
        const size_t at = log.find(before_number, log.rfind(line));
        if (at == log.npos) give_up({"the log does not say how long it took:\n" + log});
        return std::atof(log.c_str() + at + before_number.size());
    }

    void reload(const std::string& yaml) {
        write(yaml);
        const size_t before = lab_->daemon_log().size();
        lab_->daemon().signal(SIGHUP);
        const auto deadline = steady_clock::now() + minutes(1);
        while (lab_->daemon_log().find("reloaded: ", before) == std::string::npos) {
            if (steady_clock::now() > deadline) give_up({"no reload:\n" + lab_->daemon_log()});
            std::this_thread::sleep_for(milliseconds(5));  // between two looks
        }
    }

    // In MB; `field`: VmRSS, VmHWM.
    double memory(const std::string& field) const {
        std::ifstream file(fmt::format("/proc/{}/status", lab_->daemon().pid()));
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(field)) return std::atof(line.c_str() + field.size() + 1) / 1024;
        }
        return 0;
    }

private:
    void write(const std::string& yaml) { std::ofstream(file_) << yaml; }

    const std::string file_ = fmt::format("/tmp/hairpin-scale-{}-{}.yaml", getpid(), ++number_);
    std::unique_ptr<lab::Lab> lab_;
    static inline int number_ = 0;
};

// --- Figures

struct Figures {
    std::vector<double> values;

    void add(double value) { values.insert(std::ranges::upper_bound(values, value), value); }
    double median() const { return values[values.size() / 2]; }
    std::string str(std::string_view unit) const {
        return fmt::format("{:.0f} {} ({:.0f} to {:.0f})", median(), unit, values.front(), values.back());
    }
};

bool missed = false;

void show(std::string_view what, const std::string& value) { fmt::print("{:44} {}\n", what, value); }

void hold(std::string_view what, const std::string& value, const std::string& target, bool met) {
    fmt::print("{:44} {:38} {}: {}\n", what, value, target, met ? "met" : "MISSED");
    missed = missed || !met;
}

// The cost of a packet or a connection is the inverse of the rate.
void hold_cost(std::string_view what, const Figures& one, const Figures& all, std::string_view unit) {
    const double cost = one.median() / all.median();
    hold(what, fmt::format("{:.3f}", cost), "at most 1.05 of one service's", cost <= 1.05);
    show("  with one service", one.str(unit));
    show(fmt::format("  with {}", many), all.str(unit));
}

// --- What is measured

void measure_start(const std::string& program) {
    Figures figures;
    for (int i = 0; i < starts; ++i) figures.add(Gateway(program, configuration(2)).logged("ready: ", "engine nft, "));
    hold("start with 2 services", figures.str("ms"), "under 50 ms", figures.median() < 50);
}

std::unique_ptr<Gateway> measure_load(const std::string& program) {
    Figures figures;
    std::unique_ptr<Gateway> gateway;
    for (int i = 0; i < loads; ++i) {
        gateway.reset();
        gateway = std::make_unique<Gateway>(program, configuration(many));
        figures.add(gateway->logged("ready: ", "engine nft, "));
    }
    hold(fmt::format("load {} services", many), figures.str("ms"), "under 5000 ms", figures.median() < 5000);
    return gateway;
}

void measure_change(Gateway& gateway) {
    Figures engine;
    Figures all;
    for (int version = 1; version <= changes; ++version) {
        gateway.reload(configuration(many, version));
        engine.add(gateway.logged("reloaded: ", "engine took "));
        all.add(gateway.logged("reloaded: ", "endpoints, "));
    }
    hold("change one of them: the engine", engine.str("ms"), "under 20 ms", engine.median() < 20);
    show("  from SIGHUP on, the file read and checked", all.str("ms"));
}

void measure_traffic(const Gateway& one, const Gateway& all) {
    const Gateway* const gateways[] = {&one, &all};
    const char* const clients[] = {"client", "server2"};
    const std::unique_ptr<Sink> sinks[] = {need(Sink::open(one.host("server1"), backend)),
                                           need(Sink::open(all.host("server1"), backend))};
    Figures packets[2][2];  // by client, by gateway
    Figures connections[2][2];
    for (int round = 0; round < rounds; ++round) {
        for (size_t c = 0; c < 2; ++c) {
            for (const size_t turn : {0, 1}) {
                const size_t g = (turn + static_cast<size_t>(round)) % 2;
                const lab::Host& client = gateways[g]->host(clients[c]);
                packets[c][g].add(need(packets_per_second(client, asked, *sinks[g])));
                connections[c][g].add(need(connections_per_second(client, asked)));
            }
        }
    }
    const std::string_view paths[] = {"external path", "hairpin path"};
    for (size_t c = 0; c < 2; ++c) {
        hold_cost(fmt::format("a packet, {}", paths[c]), packets[c][0], packets[c][1], "packets/s");
        hold_cost(fmt::format("a connection, {}", paths[c]), connections[c][0], connections[c][1], "connections/s");
    }
}

int run(const std::string& program) {
    if (const auto gained = lab::gain_privileges(); !gained) give_up(gained.error());
    measure_start(program);
    const auto all = measure_load(program);
    measure_change(*all);
    const Gateway one(program, configuration(1));
    measure_traffic(one, *all);
    show("memory of the daemon, and at most",
         fmt::format("{:.0f} MB, {:.0f} MB", all->memory("VmRSS"), all->memory("VmHWM")));
    return missed ? 1 : 0;
}

}  // namespace
}  // namespace hairpin::bench

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: scale PROGRAM\n", stderr);
        return 2;
    }
    return hairpin::bench::run(argv[1]);
}
