// translate() is the specification: whatever the services, whoever asks, the backend that answers must have seen what
// it says. Random services, over the hosts of one lab:
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1, 2 ── 10.0.0.2, 10.0.0.3
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─────┼─ server3, 4 ── fd00::2, fd00::3
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │               ├─ server5 ───── 10.0.5.2, on another network
//   ╰───────────────╯    │       int2: 10.0.1.1 ├── routed      ╰─ peer ──────── 10.0.0.50, fd00::50
//                        ╰──────────────────────╯
//
// A failure prints its seed; HAIRPIN_SEED=N repeats it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "config/config.h"
#include "engines/registry.h"
#include "lab/prober.h"
#include "support/random_services.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

// Every backend address answers on every port of theirs, for what follows takes some of each.
constexpr std::string_view servers_yaml = R"(
defaults: {protocol: both}
services:
  a4: {listen: "1.0.0.1:7000-7002", backends: ["10.0.0.2:7000-7002", "10.0.0.3:7000-7002", "10.0.5.2:7000-7002"]}
  a6: {listen: "[2001:db8::1]:7000-7002", backends: ["[fd00::2]:7000-7002", "[fd00::3]:7000-7002"]}
)";

std::string list_of(std::span<const Prefix> prefixes) {
    std::string text;
    for (const Prefix& prefix : prefixes) text += fmt::format("\"{}\", ", prefix.str());
    return "[" + text + "]";
}

std::string quoted(const EndpointRange& endpoint) { return fmt::format("\"{}\"", endpoint.str()); }

// As somebody would write them.
std::string to_yaml(const std::vector<Service>& services) {
    std::string text = "services:\n";
    for (const Service& service : services) {
        std::string listen;
        std::string backends;
        for (const EndpointRange& endpoint : service.listen) listen += quoted(endpoint) + ", ";
        for (const Backend& backend : service.backends) {
            backends += fmt::format("{{endpoint: {}, weight: {}}}, ", quoted(backend.endpoint), backend.weight);
        }
        const std::string source = service.source == SourcePolicy::map
                                       ? fmt::format("{{map: {}}}", list_of(service.source_map))
                                       : std::string(name(service.source));
        std::string lists;
        if (!service.allow.empty()) lists += ", allow: " + list_of(service.allow.written());
        if (!service.deny.empty()) lists += ", deny: " + list_of(service.deny.written());
        text += fmt::format(
            "  {}: {{listen: [{}], backends: [{}], protocol: {}, source: {}, balance: {}, self: {}{}}}\n", service.name,
            listen, backends, name(service.protocols), source, name(service.balance), name(service.self), lists);
    }
    return text;
}

class Specification : public testing::TestWithParam<std::string> {
protected:
    Specification() : lab_(servers_yaml, GetParam()), engine_(find_engine(GetParam())->make({})) {}

    // Everybody asks every service for some port of each of its endpoints.
    void check(const std::vector<Service>& services, RandomServices& random) {
        const Ruleset ruleset(services);
        for (const Service& service : ruleset.services()) {
            for (const EndpointRange& listen : service.listen) {
                const int port =
                    listen.ports.first + static_cast<int>(random.below(static_cast<size_t>(listen.ports.size())));
                Ip ip = listen.ip;
                if (ip.is_unspecified()) ip = *Ip::parse(ip.is_v4() ? "1.0.0.1" : "2001:db8::1");
                for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                    if (includes(service.protocols, protocol)) {
                        check(ruleset, protocol, {ip, static_cast<uint16_t>(port)});
                    }
                }
            }
        }
    }

    size_t answers() const { return answers_; }
    size_t refusals() const { return refusals_; }

    const TestLab lab_;
    const std::unique_ptr<Engine> engine_;

private:
    const Topology& topology() const { return lab_->plan().topology; }

    void check(const Ruleset& ruleset, Protocol protocol, const Endpoint& asked) {
        for (const lab::HostPlan& host : lab_->plan().hosts) {
            const auto ip = host.address(asked.ip.family());
            if (ip) check(ruleset, host, {protocol, {*ip, next_port_++}, asked});
        }
    }

    // What may become of the client's flow, by backend.
    std::map<uint16_t, Flow> flows(const Ruleset& ruleset, const Leg& client, const Slots& slots) const {
        std::map<uint16_t, Flow> flows;
        for (const uint16_t backend : slots) {
            if (flows.contains(backend)) continue;
            flows.emplace(backend, translate(ruleset, topology(), client, {backend}, engine_->abilities()).value());
        }
        return flows;
    }

    void check_refused(const lab::HostPlan& host, const Leg& client) {
        const auto answer = lab::ask(lab_->host(host.name), client, ProxyHeader::none, patience);
        EXPECT_FALSE(answer) << host.name << " at " << client.source.ip.str() << " was let in to "
                             << client.destination.str();
        if (!answer) {
            EXPECT_TRUE(answer.error().message.find("refused") != std::string::npos ||
                        answer.error().message.find("reset") != std::string::npos)
                << answer.error().message;
        }
        ++refusals_;
    }

    void check(const Ruleset& ruleset, const lab::HostPlan& host, const Leg& client) {
        const Slots slots = slots_for(ruleset, topology(), client, engine_->abilities());
        const auto possible = flows(ruleset, client, slots);
        // A neighbour that the backend sees as itself gets the answer past the gateway, and does not know it.
        const bool astray = std::ranges::any_of(possible, [](const auto& candidate) {
            const Flow& flow = candidate.second;
            return flow.source == SourcePolicy::keep && (flow.path == Path::peer || flow.path == Path::self);
        });
        if (client.protocol == Protocol::tcp && is_kept_out(ruleset, topology(), client, engine_->abilities())) {
            return check_refused(host, client);
        }
        if (possible.empty() || astray) return;
        const auto answer = lab::ask(lab_->host(host.name), client, ProxyHeader::none, patience);
        const std::string question =
            fmt::format("{} {} asks {}", name(client.protocol), host.name, client.destination.str());
        ASSERT_TRUE(answer) << question << ": " << answer.error().message;
        const Leg& seen = answer->greeting.leg;
        const auto found = std::ranges::find_if(
            possible, [&](const auto& candidate) { return candidate.second.backend.destination == seen.destination; });
        ASSERT_NE(found, possible.end()) << question << ": answered by " << seen.destination.str();
        const Flow& flow = found->second;
        const Endpoint& source = flow.backend.source;
        EXPECT_EQ(seen.source.ip.str(), source.ip.str()) << question << " at " << seen.destination.str();
        EXPECT_TRUE(source.port == 0 || source.port == seen.source.port) << question << ": " << seen.source.str();
        if (is_by_source(flow.service->balance)) {
            EXPECT_EQ(found->first, slots[source_hash(client.source.ip, slots.size())]) << question;
        }
        ++answers_;
    }

    size_t answers_ = 0;
    size_t refusals_ = 0;
    // Each question has a port of its own, none of those that sources are given: two flows that the backend could not
    // tell apart would have the kernel change the port of one.
    uint16_t next_port_ = 20000;
};

TEST_P(Specification, BackendsSeeWhatTranslateSays) {
    ASSERT_TRUE(lab_);
    const char* given = std::getenv("HAIRPIN_SEED");
    const auto seed = static_cast<uint32_t>(given ? std::strtoul(given, nullptr, 10) : 20);
    RandomServices random(seed);
    for (int round = 0; round < 40; ++round) {
        const auto services = random.some(*engine_, lab_->plan().topology);
        const std::string yaml = to_yaml(services);
        SCOPED_TRACE(fmt::format("HAIRPIN_SEED={}, round {}:\n{}", seed, round, yaml));
        ASSERT_EQ(parse_config(yaml, "random.yaml").services, services);
        ASSERT_TRUE(lab_.reload(yaml)) << lab_->daemon_log();
        check(services, random);
        if (HasFailure()) FAIL() << lab_->daemon_log();
    }
    EXPECT_GT(answers(), 800u);
    EXPECT_GT(refusals(), 50u);
}

INSTANTIATE_TEST_SUITE_P(Engines, Specification, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
