// Backends by name, as a DNS server tells of them, which comes late, changes its mind and dies.
//
//   client, peer ──── gateway ──┬── server1 10.0.0.2, and dnsmasq, which the gateway asks
//                     1.0.0.1   ├── server2 10.0.0.3
//                               ╰── server3 fd00::2
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"

namespace hairpin {
namespace {

using nlohmann::json;

// `hosts` is there for its servers.
constexpr std::string_view yaml = R"(
resolvers: "10.0.0.2:53"
defaults: {protocol: both, health: {kind: tcp, port: 8080, interval: 100ms, timeout: 100ms}}
services:
  app: {listen: "1.0.0.1:80", backends: "app.lan:8080", health: none}
  six: {listen: "[2001:db8::1]:80", backends: "app.lan:8080", health: none}
  srv: {listen: "1.0.0.1:81", backends: {srv: _http._tcp.lan}}
  hosts: {listen: "1.0.0.1:9000", backends: ["10.0.0.2:8080", "10.0.0.3:8080"], health: none}
  hosts6: {listen: "[2001:db8::1]:9000", backends: "[fd00::2]:8080", health: none}
)";
const Endpoint app = *Endpoint::parse("1.0.0.1:80");
const Endpoint six = *Endpoint::parse("[2001:db8::1]:80");
const Endpoint srv = *Endpoint::parse("1.0.0.1:81");

class BackendNames : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { need_programs({"dnsmasq"}); }

    // The daemon is ready by then, and has asked in vain.
    bool build(TestLab::Backends backends) {
        if (IsSkipped() || HasFatalFailure()) return false;
        lab_ = std::make_unique<TestLab>(yaml, GetParam(), backends);
        return bool(*lab_);
    }
    TestLab& lab() { return *lab_; }
    const lab::Host& host(const char* name) { return lab()->host(name); }

    // Lines as in /etc/hosts, with a TTL of a second.
    void start_dns(const std::string& records) {
        records_.write(records);
        dns_ = start_server(
            host("server1"),
            {path_of("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user=root",
             "--log-facility=-", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=10.0.0.2",
             "--local=/lan/", "--local-ttl=1", "--addn-hosts=" + records_.path(),
             "--srv-host=_http._tcp.lan,one.lan,8080,10,5", "--srv-host=_http._tcp.lan,two.lan,8080,20,5"},
            "started, version");
    }
    void change_dns(const std::string& records) {
        records_.write(records);
        dns_->signal(SIGHUP);
    }
    void kill_dns() { dns_.reset(); }

    testing::AssertionResult says(const std::string& words) {
        const bool came = lab()->daemon().wait_for_output(words, patience);
        return came ? testing::AssertionSuccess() : testing::AssertionFailure() << words << "\n" << lab()->daemon_log();
    }
    std::string told(std::vector<std::string> command) {
        command.insert(command.begin(), hairpin_binary());
        command.insert(command.end(), {"--socket", lab().socket()});
        return outcome_of(host("gateway"), command).output;
    }
    // Who answers four questions in a row.
    std::set<std::string> answering(const char* from, Protocol protocol, const Endpoint& endpoint) {
        std::set<std::string> hosts;
        for (int i = 0; i < 4; ++i) {
            const auto answer = lab::ask(host(from), {protocol, {Ip::any(endpoint.ip.family()), 0}, endpoint},
                                         ProxyHeader::none, patience);
            hosts.insert(answer ? answer->greeting.host : answer.error().message);
        }
        return hosts;
    }

private:
    const TemporaryFile records_{""};
    std::unique_ptr<TestLab> lab_;
    std::unique_ptr<lab::Process> dns_;
};

bool contains(const std::string& text, const std::string& words) { return text.find(words) != text.npos; }

using Hosts = std::set<std::string>;

TEST_P(BackendNames, ServeAtAllTheirAddressesAsSoonAsTheyAreKnown) {
    if (!build(TestLab::Backends::answer)) return;
    EXPECT_TRUE(
        says("the name app.lan cannot be resolved: no DNS server can be reached, or all fail to answer; it has no "
             "backend until it can"));
    EXPECT_FALSE(lab::ask(host("client"), {Protocol::tcp, {Ip::any(Family::v4), 0}, app}, ProxyHeader::none, patience));
    start_dns("");
    EXPECT_TRUE(says("the name app.lan cannot be resolved: DNS knows no such name"));
    EXPECT_TRUE(contains(told({"status"}), "service app: the name app.lan cannot be resolved: DNS knows no such name"));
    EXPECT_TRUE(contains(told({"backends"}), "app.lan:8080"));
    change_dns("10.0.0.3 app.lan\nfd00::2 app.lan\n10.0.0.2 app.lan\n");
    ASSERT_TRUE(says("the name app.lan stands for 10.0.0.2, 10.0.0.3, fd00::2"));
    const bool joins_families = abilities_of(GetParam()).cross_family;
    const Hosts all = {"server1", "server2", "server3"};
    const Hosts four = {"server1", "server2"};
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        for (const char* from : {"client", "peer"}) {
            EXPECT_EQ(answering(from, protocol, app), joins_families ? all : four) << from << lab()->daemon_log();
        }
        EXPECT_EQ(answering("client", protocol, six), joins_families ? all : Hosts{"server3"}) << lab()->daemon_log();
    }
    EXPECT_EQ(contains(lab()->daemon_log(), "cannot join IPv4 and IPv6"), !joins_families);
    EXPECT_TRUE(contains(told({"backends"}), "10.0.0.3:8080 (app.lan)")) << told({"backends"});
}

TEST_P(BackendNames, AreFollowedWhileConnectionsGoOn) {
    if (!build(TestLab::Backends::none)) return;
    start_dns("10.0.0.2 app.lan\n");
    ASSERT_TRUE(says("the name app.lan stands for 10.0.0.2"));
    const Fd first = listen_on(host("server1"), *Endpoint::parse("10.0.0.2:8080"));
    const Fd second = listen_on(host("server2"), *Endpoint::parse("10.0.0.3:8080"));
    const Meeting before = meet(host("client"), app, {&first});
    ASSERT_TRUE(before.conversation) << strerror(before.refused_with);
    change_dns("10.0.0.3 app.lan\n");
    ASSERT_TRUE(says("the name app.lan stands for 10.0.0.3"));
    for (int i = 0; i < 4; ++i) {
        const Meeting after = meet(host("client"), app, {&second});
        ASSERT_TRUE(after.conversation) << strerror(after.refused_with);
    }
    EXPECT_TRUE(before.conversation->alive()) << lab()->daemon_log();
}

TEST_P(BackendNames, KeepTheirLastAnswerWhenTheServerDiesOrForgets) {
    if (!build(TestLab::Backends::answer)) return;
    start_dns("10.0.0.3 app.lan\n");
    ASSERT_TRUE(says("the name app.lan stands for 10.0.0.3"));
    change_dns("");
    EXPECT_TRUE(says("the name app.lan cannot be resolved: DNS knows no such name; its last answer counts"));
    EXPECT_TRUE(contains(told({"status"}),
                         "service app: the name app.lan cannot be resolved: DNS knows no such name; its last answer "
                         "counts"))
        << told({"status"});
    EXPECT_EQ(answering("client", Protocol::tcp, app), Hosts{"server2"});
    kill_dns();
    EXPECT_TRUE(
        says("the name app.lan cannot be resolved: no DNS server can be reached, or all fail to answer; its last "
             "answer counts"));
    EXPECT_EQ(answering("client", Protocol::tcp, app), Hosts{"server2"});
    ASSERT_TRUE(lab().reload(std::string(yaml) + "  other: {listen: '1.0.0.1:82', backends: '10.0.0.2:8080'}\n"));
    EXPECT_EQ(answering("client", Protocol::tcp, app), Hosts{"server2"}) << "a reload forgets no name that stays";
    start_dns("10.0.0.2 app.lan\n");
    ASSERT_TRUE(says("the name app.lan stands for 10.0.0.2"));
    EXPECT_EQ(answering("client", Protocol::tcp, app), Hosts{"server1"});
}

// A name that leads back to the gateway, and addresses where no host can be.
TEST_P(BackendNames, LeaveOutWhatCannotBeABackend) {
    if (!build(TestLab::Backends::answer)) return;
    ASSERT_TRUE(
        lab().reload("resolvers: '10.0.0.2:53'\nservices:\n"
                     "  app: {listen: '1.0.0.1:80', backends: ['app.lan:80', 'other.lan:8080']}\n"));
    start_dns("1.0.0.1 app.lan\n10.0.0.255 app.lan\n10.0.0.3 other.lan\n");
    ASSERT_TRUE(says("the name other.lan stands for 10.0.0.3"));
    ASSERT_TRUE(says("the name app.lan stands for 1.0.0.1, 10.0.0.255"));
    EXPECT_TRUE(contains(lab()->daemon_log(), "1.0.0.1:80 leads back to the gateway")) << lab()->daemon_log();
    EXPECT_TRUE(contains(lab()->daemon_log(), "10.0.0.255:80 is the broadcast address")) << lab()->daemon_log();
    EXPECT_EQ(answering("client", Protocol::tcp, app), Hosts{"server2"}) << lab()->daemon_log();
}

// SRV: what is not of the lowest priority waits until that is down.
TEST_P(BackendNames, OfServersComeWithPortsAndPriorities) {
    if (!build(TestLab::Backends::none)) return;
    std::optional<Fd> first = listen_on(host("server1"), *Endpoint::parse("10.0.0.2:8080"));
    const Fd second = listen_on(host("server2"), *Endpoint::parse("10.0.0.3:8080"));
    start_dns("10.0.0.2 one.lan\n10.0.0.3 two.lan\n");
    ASSERT_TRUE(says("the name _http._tcp.lan stands for 10.0.0.2:8080, 10.0.0.3:8080"));
    const auto serves = [&](const std::string& backend, bool serving) {
        return wait_for([&] {
            const json told_now = json::parse(told({"backends", "--json"}));
            for (const json& one : told_now.at("backends")) {
                if (one.at("service") == "srv" && one.at("backend") == backend) return one.at("serving") == serving;
            }
            return false;
        });
    };
    EXPECT_TRUE(serves("10.0.0.2:8080", true)) << told({"backends"});
    EXPECT_TRUE(serves("10.0.0.3:8080", false)) << told({"backends"});
    first.reset();  // its health check fails
    EXPECT_TRUE(serves("10.0.0.3:8080", true)) << told({"backends"});
    EXPECT_TRUE(serves("10.0.0.2:8080", false)) << told({"backends"});
    first = listen_on(host("server1"), *Endpoint::parse("10.0.0.2:8080"));
    EXPECT_TRUE(serves("10.0.0.3:8080", false)) << told({"backends"});
}

INSTANTIATE_TEST_SUITE_P(Every, BackendNames, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
