// What somebody changes around an engine in the kernel while it serves is seen: by `hairpin status` for as long as it
// lasts, and in the log as it begins and as it ends.
//
//   client ──── ext  gateway  int ──── switch ──┬── server1 10.0.0.2
//    somebody else, as root, is here: ──╯       ╰── server2 fd00::2
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class ChangedAround : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    void somebody(const std::string& line) const { command(lab_->host("gateway"), line); }
    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), arguments);
    }
    // What `status` says, sooner or later; all of these words.
    testing::AssertionResult status_becomes(int status, const std::vector<std::string>& words) const {
        Outcome last;
        const bool is_so = wait_for([&] {
            last = ask({"status"});
            return last.status == status && std::ranges::all_of(words, [&](const std::string& word) {
                       return last.output.find(word) != std::string::npos;
                   });
        });
        return is_so ? testing::AssertionSuccess() : testing::AssertionFailure() << last.status << "\n" << last.output;
    }
    testing::AssertionResult all_is_well() const { return status_becomes(0, {"nothing is wrong"}); }
    size_t times_told(std::string_view words) const {
        const std::string log = lab_->daemon_log();
        size_t times = 0;
        for (size_t at = log.find(words); at != log.npos; at = log.find(words, at + 1)) ++times;
        return times;
    }
    void expect_service() const {
        for (const Place& place : {external_v4, peer_v4, local_v4, external_v6, peer_v6, local_v6}) {
            const std::string_view name = place.name;
            const char* host = name.starts_with("external") ? "client" : name.starts_with("peer") ? "peer" : "gateway";
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                const auto answer = lab::ask(lab_->host(host), {protocol, at(place.client), at(place.service)},
                                             ProxyHeader::none, patience);
                EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, place.seen)
                    << name << " over " << hairpin::name(protocol);
            }
        }
    }

    const TestLab lab_{one_service_a_family, GetParam()};
};

TEST_P(ChangedAround, ForwardingThatIsSwitchedOffIsAProblemUntilItIsOnAgain) {
    ASSERT_TRUE(all_is_well());
    const std::string v4 = "net.ipv4.ip_forward is 0, so the kernel drops what is for backends";
    const std::string v6 = "net.ipv6.conf.all.forwarding is 0, so the kernel drops what is for backends";
    somebody("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    EXPECT_TRUE(status_becomes(1, {"2 problems", v4, v6, "run `sysctl -w net.ipv4.ip_forward=1`"}));
    EXPECT_NE(ask({"status", "--json"}).output.find("\"kind\": \"kernel\""), std::string::npos);
    somebody("sysctl -qw net.ipv6.conf.all.forwarding=1");
    EXPECT_TRUE(lab_.logs("over by now: " + v6));
    EXPECT_TRUE(status_becomes(1, {"1 problem:", v4}));
    somebody("sysctl -qw net.ipv4.ip_forward=1");
    EXPECT_TRUE(lab_.logs("over by now: " + v4));
    EXPECT_TRUE(all_is_well());
    EXPECT_EQ(times_told(v4), 2u) << "as it began and as it ended\n" << lab_->daemon_log();
    EXPECT_NE(ask({"events"}).output.find(v6), std::string::npos);
    expect_service();
}

TEST_P(ChangedAround, ForwardingThatIsSwitchedOffComesBackWhereWeMaySetIt) {
    lab_->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab_->daemon().wait(patience));
    lab_.rewrite("sysctls: set\n" + std::string(one_service_a_family));
    lab_.start_daemon();
    somebody("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    // Within a second, or at once where the gateway follows another change.
    EXPECT_TRUE(lab_.logs("net.ipv4.ip_forward"));
    EXPECT_TRUE(lab_.logs("net.ipv6.conf.all.forwarding"));
    EXPECT_TRUE(all_is_well());
    expect_service();
}

// One that the whole machine's setting does not show; and the kernel asks it of the link by which packets come.
TEST_P(ChangedAround, ForwardingThatIsSwitchedOffOnOneLinkIsAProblem) {
    const auto closed = [](const std::string& version, const std::string& link) {
        return fmt::format("net/{}/conf/{}/forwarding is 0", version, link);
    };
    ASSERT_TRUE(all_is_well());
    for (const std::string link : {"ext", "int"}) {
        somebody(fmt::format("sysctl -qw net.ipv4.conf.{}.forwarding=0", link));
        EXPECT_TRUE(status_becomes(1, {closed("ipv4", link)}));
        EXPECT_TRUE(lab_.logs(closed("ipv4", link)));
        somebody(fmt::format("sysctl -qw net.ipv4.conf.{}.forwarding=1", link));
        EXPECT_TRUE(all_is_well());
    }
    somebody("sysctl -qw net.ipv6.conf.ext.forwarding=0");
    if (is_bpf(GetParam())) {
        EXPECT_TRUE(status_becomes(1, {closed("ipv6", "ext")}));
    }
    const auto answer = lab::ask(lab_->host("client"), {Protocol::tcp, at("2001:db8::100"), at("[2001:db8::1]:1066")},
                                 ProxyHeader::none, is_bpf(GetParam()) ? std::chrono::seconds(2) : patience);
    EXPECT_EQ(answer.ok(), !is_bpf(GetParam())) << "a router's own setting: only those that look up routes ask";
    somebody("sysctl -qw net.ipv6.conf.ext.forwarding=1");
    EXPECT_TRUE(all_is_well());

    // A name with a dot.
    ASSERT_TRUE(lab_.follows([&] {
        somebody(
            "ip link add int.7 type veth peer name other && ip link set other up && ip link set int.7 up && "
            "ip route add 10.0.0.2/32 dev int.7");
    }));
    somebody("sysctl -qw net/ipv4/conf/int.7/forwarding=0");
    EXPECT_TRUE(status_becomes(1, {closed("ipv4", "int.7")}));
    somebody("sysctl -qw net/ipv4/conf/int.7/forwarding=1");
    EXPECT_TRUE(all_is_well());
}

// The gateway's own IPv4 clients of tc and xdp need it: their packets seem to come from the machine itself.
class ChangedAroundEbpf : public ChangedAround {};

TEST_P(ChangedAroundEbpf, AcceptLocalThatIsSwitchedOffIsOnAgain) {
    // Within a second, or at once where the gateway follows another change.
    EXPECT_TRUE(lab_.logs_after([&] { somebody("sysctl -qw net.ipv4.conf.lo.accept_local=0"); },
                                "net.ipv4.conf.lo.accept_local"));
    expect_service();
    EXPECT_TRUE(all_is_well());
}

// An address that is served all the same where it is routed here; but mostly somebody has mistyped it, or it has gone.
TEST_P(ChangedAround, AnAddressThatNoLinkHasIsWorthALook) {
    const std::string yaml = std::string(one_service_a_family);
    EXPECT_EQ(ask({"status"}).output.find("worth a look"), std::string::npos);
    const std::string absent = "no link has the external address ";
    const std::string mistyped = yaml + "  typo: {listen: \"9.9.9.9:80\", backends: \"10.0.0.2:80\"}\n";
    ASSERT_TRUE(lab_.reload(mistyped));
    EXPECT_TRUE(lab_.logs(absent + "9.9.9.9: clients are served there only as far as it is routed"));
    EXPECT_TRUE(status_becomes(0, {"nothing is wrong", "worth a look", absent + "9.9.9.9"}));
    const TemporaryFile config(mistyped);
    const auto foretold =
        outcome_of(lab_->host("gateway"), {hairpin_binary(), "check", "--engine", GetParam(), config.path()});
    EXPECT_EQ(foretold.status, 0);
    EXPECT_NE(foretold.output.find("on this machine: " + absent + "9.9.9.9"), std::string::npos) << foretold.output;

    // A router's, by intent.
    ASSERT_TRUE(lab_.reload("defaults: {also: 203.0.113.7}\n" + yaml.substr(1)));
    EXPECT_TRUE(lab_.logs("over by now: " + absent + "9.9.9.9"));
    EXPECT_EQ(ask({"status"}).output.find("worth a look"), std::string::npos);

    ASSERT_TRUE(lab_.reload(yaml));
    ASSERT_TRUE(lab_.follows([&] { somebody("ip address del 1.0.0.1/24 dev ext"); }));
    EXPECT_TRUE(lab_.logs(absent + "1.0.0.1"));
    EXPECT_TRUE(status_becomes(0, {absent + "1.0.0.1"}));
    ASSERT_TRUE(lab_.follows([&] { somebody("ip address add 1.0.0.1/24 dev ext"); }));
    EXPECT_TRUE(lab_.logs("over by now: " + absent + "1.0.0.1"));
    EXPECT_EQ(ask({"status"}).output.find("worth a look"), std::string::npos);
}

std::vector<std::string> bpf_engine_names() {
    auto names = engine_names();
    std::erase_if(names, [](const std::string& engine) { return !is_bpf(engine); });
    return names;
}

INSTANTIATE_TEST_SUITE_P(On, ChangedAroundEbpf, testing::ValuesIn(bpf_engine_names()));
INSTANTIATE_TEST_SUITE_P(On, ChangedAround, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
