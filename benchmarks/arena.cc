#include "arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engines/bpf/pins.h"
#include "load.h"

namespace hairpin::bench {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr auto patience = seconds(60);

lab::HostPlan host(std::string name, const Link& link, const char* address, int length, const char* router) {
    const auto ip = [](const char* text) { return *Ip::parse(text); };
    return {
        std::move(name), {{ip(address), length, link.index}}, {{Prefix::of(Ip::v4(0), 0), ip(router), link.index}}, {}};
}

// By the gateway to one that lies on the same wire.
void add_detour(lab::HostPlan& server, const Ip& to) {
    server.routes.push_back({Prefix::of(to, 32), server.routes.front().via, server.link()});
}

lab::Plan network(Contestant contestant) {
    lab::HostPlan gateway = host("gateway", lab::ext, "1.0.0.1", 24, "1.0.0.100");
    gateway.addresses.push_back({*Ip::parse("10.0.0.1"), 16, lab::inside.index});
    lab::Plan plan;
    plan.hosts = {gateway, host("client", lab::ext, "1.0.0.100", 24, "1.0.0.1"),
                  host("server1", lab::inside, "10.0.0.2", 16, "10.0.0.1"),
                  host("server2", lab::inside, "10.0.0.3", 16, "10.0.0.1")};
    plan.topology = Topology({lab::ext, lab::inside}, gateway.addresses, gateway.routes);
    if (contestant == Contestant::routed) {
        add_detour(plan.hosts[2], backend_bulk.ip);
        add_detour(plan.hosts[3], backend_requests.ip);
    }
    return plan;
}

// The program that was built with this one, or the one that HAIRPIN names.
std::string hairpin_program() {
    const char* named = std::getenv("HAIRPIN");
    return named != nullptr ? named : HAIRPIN_BINARY;
}

// The bpf engines' programs and tables outlive their daemon.
void remove_what_serves_on() {
    if (const auto folder = bpf::pin_folder()) (void)bpf::remove_pins(*folder);
}

}  // namespace

std::string Arena::two_services() {
    return fmt::format(
        "services:\n"
        "  requests: {{listen: \"{}\", backends: \"{}\", protocol: both}}\n"
        "  bulk: {{listen: \"{}\", backends: \"{}\", protocol: both}}\n",
        asked_requests.str(), backend_requests.str(), asked_bulk.str(), backend_bulk.str());
}

Result<std::unique_ptr<Arena>> Arena::open(Contestant contestant, const std::string& services) {
    std::unique_ptr<Arena> arena(new Arena(contestant));
    auto opened = arena->build();
    if (opened) opened = arena->start(services);
    if (!opened) return opened.error().within(name(contestant));
    return arena;
}

Arena::~Arena() {
    process_.reset();
    if (lab_) host("gateway").run(remove_what_serves_on);
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Result<> Arena::build() {
    std::string folder = "/tmp/hairpin-bench-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return system_error(folder);
    folder_ = folder;
    auto lab = lab::Lab::start(network(contestant_), {});
    if (!lab) return lab.error();
    lab_ = *std::move(lab);
    auto responder = Responder::open(host("server1"), backend_requests);
    if (!responder) return responder.error();
    responder_ = *std::move(responder);
    auto iperf = lab::Process::start(host("server2"), {"iperf3", "-s", "-p", std::to_string(backend_bulk.port)});
    if (!iperf) return iperf.error();
    iperf_ = *std::move(iperf);
    return {};
}

Result<> Arena::start(const std::string& services) {
    const Setup setup = setup_of(contestant_, folder_, hairpin_program(), services);
    if (!setup.command.empty()) {
        if (auto started = start_process(setup); !started) return started;
    }
    if (contestant_ == Contestant::nftables || contestant_ == Contestant::routed) {
        for (const char* key : {"net/ipv4/conf/all/send_redirects", "net/ipv4/conf/int/send_redirects"}) {
            if (auto set = host("gateway").set_sysctl(key, "0"); !set) return set;
        }
    }
    for (const Path path : {Path::external, Path::peer}) {
        const Client client = requests(path);
        if (!wait_for_answer(client, carries_udp(contestant_), patience)) {
            return Error{fmt::format("nobody answers {} at {}\n{}", client.name, client.asked.str(),
                                     process_ ? process_->output() : "")};
        }
    }
    return {};
}

Result<> Arena::start_process(const Setup& setup) {
    const std::string file = folder_ + "/configuration";
    if (auto written = write(file, setup.configuration); !written) return written;
    std::vector<std::string> command = setup.command;
    std::ranges::replace(command, "FILE", file);
    const auto began = Clock::now();
    auto started = lab::Process::start(host("gateway"), command);
    if (!started) return started.error();
    process_ = *std::move(started);
    if (is_hairpin(contestant_)) {
        if (!process_->wait_for_output("ready: ", patience)) return Error{"not ready\n" + process_->output()};
        seconds_to_ready_ = std::chrono::duration<double>(Clock::now() - began).count();
    }
    if (!setup.stays) {
        if (process_->wait(patience) != 0) return Error{"failed\n" + process_->output()};
        process_.reset();
    }
    return {};
}

Result<> Arena::write(const std::string& file, const std::string& text) const {
    std::ofstream out(file);
    out << text << std::flush;
    if (!out) return system_error(file);
    return {};
}

Client Arena::requests(Path path) const {
    const std::string_view who = path == Path::peer ? "server2" : "client";
    return {host(who), who, asks_backends(contestant_) ? backend_requests : asked_requests};
}

Client Arena::bulk(Path path) const {
    const std::string_view who = path == Path::peer ? "server1" : "client";
    return {host(who), who, asks_backends(contestant_) ? backend_bulk : asked_bulk};
}

Result<> Arena::set_everywhere(std::string_view key, std::string_view value) const {
    for (const lab::HostPlan& planned : lab_->plan().hosts) {
        if (auto set = host(planned.name).set_sysctl(key, value); !set) return set;
    }
    return {};
}

Result<> Arena::reload(const std::string& services) const {
    if (auto written = write(folder_ + "/configuration", services); !written) return written;
    const size_t before = process_->output().size();
    process_->signal(SIGHUP);
    const auto deadline = Clock::now() + patience;
    while (process_->output().find("reloaded: ", before) == std::string::npos) {
        if (Clock::now() > deadline) return Error{"no reload\n" + process_->output()};
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
    }
    return {};
}

}  // namespace hairpin::bench
