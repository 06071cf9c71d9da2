#include "lab/lab.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>

#include "lab/prober.h"

namespace hairpin::lab {
namespace {

std::string words_of(const std::vector<std::string>& argv) {
    std::string line;
    for (const std::string& word : argv) line += (line.empty() ? "" : " ") + word;
    return line;
}

// The row of one expectation, before anything was seen.
Row row_of(const Plan& plan, const Probe& probe, const Expectation& expected) {
    Row row;
    row.path = expected.path;
    row.service = probe.service;
    row.protocol = probe.asked.protocol;
    row.client = plan.hosts[probe.client].name;
    row.client_address = probe.asked.source;
    row.endpoint = probe.asked.destination;
    row.server = plan.hosts[expected.host].name;
    row.backend = expected.leg.destination;
    row.expected = expected.leg.source.ip.is_unspecified() ? "any" : expected.leg.source.ip.str();
    return row;
}

Row settled(Row row, Verdict verdict, std::string message) {
    row.verdict = verdict;
    row.message = std::move(message);
    return row;
}

// What the plan assumed may be what is wrong.
Error with_notes(Error error, const Plan& plan) {
    for (const std::string& note : plan.notes) error.message += "\nnote: " + note;
    return error;
}

// Every server is a socket. A limit that cannot be raised shows itself when one cannot be opened.
void raise_descriptor_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<std::unique_ptr<Lab>> Lab::start(Plan plan, Options options) {
    std::unique_ptr<Lab> lab(new Lab(std::move(plan), std::move(options)));
    if (auto built = lab->build(); !built) return with_notes(built.error().within("the lab"), lab->plan_);
    if (lab->options_.prepare) lab->options_.prepare(*lab);
    if (auto started = lab->start_daemon(); !started) return with_notes(started.error(), lab->plan_);
    return lab;
}

Result<> Lab::build() {
    raise_descriptor_limit();
    for (size_t i = 0; i < plan_.hosts.size(); ++i) {
        auto host = Host::make();
        if (!host) return host.error();
        hosts_.push_back(*std::move(host));
    }
    if (auto wired = build_wires(); !wired) return wired;
    for (size_t i = 0; i < plan_.hosts.size(); ++i) {
        if (auto built = build_host(i); !built) return built.error().within(plan_.hosts[i].name);
    }
    servers_.start();
    return {};
}

Result<> Lab::build_wires() {
    Host& gateway = hosts_.front();
    std::vector<Link> ports;
    for (size_t i = 1; i < plan_.hosts.size(); ++i) {
        const HostPlan& host = plan_.hosts[i];
        const Link eth0{host.link(), "eth0"};
        if (host.link() == inside.index) {
            if (!switch_) {
                auto made = Host::make();
                if (!made) return made.error();
                switch_ = *std::move(made);
                ports.push_back({2, "gateway"});
                if (auto wired = Host::connect(gateway, inside, *switch_, ports.back()); !wired) return wired;
            }
            ports.push_back({static_cast<int>(ports.size()) + 2, host.name});
            if (auto wired = Host::connect(hosts_[i], eth0, *switch_, ports.back()); !wired) return wired;
        } else if (host.link() != 0) {
            const Link& link = host.link() == ext.index ? *plan_.topology.link(ext.index) : inside2;
            if (auto wired = Host::connect(hosts_[i], eth0, gateway, link); !wired) return wired;
        }
    }
    if (!switch_) return {};
    // A bridge that hands its frames to netfilter would translate what never passed the gateway. The keys exist only
    // where that feature is loaded.
    for (const char* key : {"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"}) {
        if (access(("/proc/sys/" + std::string(key)).c_str(), F_OK) != 0) continue;
        if (auto set = switch_->set_sysctl(key, "0"); !set) return set;
    }
    return switch_->add_bridge("switch", ports);
}

Result<> Lab::build_host(size_t index) {
    Host& host = hosts_[index];
    for (const Address& address : plan_.hosts[index].addresses) {
        if (auto added = host.add_address(address); !added) return added;
    }
    for (const Route& route : plan_.hosts[index].routes) {
        if (auto added = host.add_route(route); !added) return added;
    }
    if (index == 0) {
        for (const char* key : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
            if (auto set = host.set_sysctl(key, "1"); !set) return set;
        }
    }
    for (const ServerPlan& server : plan_.hosts[index].servers) {
        if (auto added = servers_.add(host, plan_.hosts[index].name, server); !added) return added;
    }
    return {};
}

Result<> Lab::start_daemon() {
    if (options_.command.empty()) return {};
    auto started = Process::start(hosts_.front(), options_.command);
    if (!started) return started.error();
    daemon_ = *std::move(started);
    if (daemon_->wait_for_output("ready: ", options_.ready_timeout)) return {};
    return Error{"the gateway's daemon did not become ready: " + words_of(options_.command) + "\n" + daemon_log()};
}

void Lab::stop_daemon() {
    constexpr std::chrono::milliseconds for_live_flows{200};
    constexpr std::chrono::seconds for_the_rest{10};
    if (!daemon_) return;
    daemon_->signal(SIGTERM);
    if (daemon_->wait(for_live_flows)) return;
    daemon_->signal(SIGTERM);  // insists
    (void)daemon_->wait(for_the_rest);
}

std::vector<Row> Lab::prove(const std::function<void(const Row&)>& on_row) {
    std::vector<Row> rows;
    for (const Probe& probe : plan_.probes) {
        for (Row& row : prove(probe)) {
            on_row(row);
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

std::vector<Row> Lab::prove(const Probe& probe) const {
    std::map<const Expectation*, Row> rows;  // in the order of the plan, whoever answers first
    std::set<const Expectation*> pending;
    for (const Expectation& expected : probe.answers) {
        if (!expected.row) continue;
        if (expected.gap.empty()) {
            pending.insert(&expected);
        } else {
            rows[&expected] = settled(row_of(plan_, probe, expected), Verdict::gap, std::string(expected.gap));
        }
    }

    // Balancing may be random: a backend that has its share is missed by this many attempts once in millions.
    const size_t attempts = 16 * (std::max(probe.answers.size(), probe.turns) + 1);
    std::string failure = "never chosen in " + std::to_string(attempts) + " attempts";
    for (size_t attempt = 0; attempt < attempts && !pending.empty(); ++attempt) {
        const auto answer = ask(hosts_[probe.client], probe.asked, probe.accept, options_.answer_timeout);
        if (!answer) {
            failure = answer.error().message;
            break;
        }
        const Endpoint& backend = answer->greeting.leg.destination;
        const auto expected =
            std::ranges::find_if(probe.answers, [&](const Expectation& e) { return e.leg.destination == backend; });
        if (expected == probe.answers.end()) {
            failure = "answered by " + backend.str() + ", which is no backend of it";
            break;
        }
        // An answer that nobody waited for adds a row only if it is wrong.
        const std::string wrong = fault(probe, *expected, *answer);
        if (pending.erase(&*expected) == 0 && wrong.empty()) continue;
        Row row = row_of(plan_, probe, *expected);
        row.client_address = answer->client;
        row.seen = answer->greeting.leg.source.ip.str();
        rows[&*expected] = settled(std::move(row), wrong.empty() ? Verdict::ok : Verdict::failed, wrong);
    }
    for (const Expectation* expected : pending) {
        rows[expected] = settled(row_of(plan_, probe, *expected), Verdict::failed, failure);
    }
    std::vector<Row> ordered;
    ordered.reserve(rows.size());
    for (auto& [expected, row] : rows) ordered.push_back(std::move(row));
    return ordered;
}

Result<> Lab::shell(std::string_view host_name) {
    if (const auto known = find_host(plan_, host_name); !known) return known.error();
    const char* shell = std::getenv("SHELL");
    return run_interactive(host(host_name), {shell && *shell ? shell : "/bin/sh"});
}

const Host& Lab::host(std::string_view host_name) const {
    return hosts_[static_cast<size_t>(plan_.host(host_name) - plan_.hosts.data())];
}

}  // namespace hairpin::lab
