// Beside the firewalls that gateways have: not a rule of theirs changes, whatever happens to us; and where they stop
// our traffic, the line that we show is the one that helps.
//
//                    ╭─ gateway ──────────────────────────╮
//   client ──────────┤ Docker's, ufw's or firewalld's     ├── switch ──┬── server1 10.0.0.2
//   routed ──────────┤ tables, and ours                   │            ├── server2 fd00::2
//                    │ a backend of its own: 1.0.0.1:2055 │            ╰── peer
//                    ╰────────────────────────────────────╯
#include <fmt/format.h>

#include <csignal>
#include <ostream>
#include <set>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/places.h"
#include "support/program.h"
#include "support/udp.h"

namespace hairpin {
namespace {

const std::string yaml = std::string(one_service_a_family) +
                         "  own: {listen: \"1.0.0.1:1055\", backends: \"1.0.0.1:2055\", protocol: both}\n";
const std::string one_more = yaml + "  more: {listen: \"1.0.0.1:99\", backends: \"10.0.0.2:99\"}\n";

struct Neighbour {
    const char* name;
    std::vector<std::string> loading;  // lines of shell, in the folder of the files
    std::set<std::string> remedies;    // that we must show
};
void PrintTo(const Neighbour& neighbour, std::ostream* out) { *out << neighbour.name; }

const std::vector<Neighbour>& neighbours() {
    static const std::vector<Neighbour> all = {
        {"Docker",
         {"iptables-nft-restore -n < docker.v4", "ip6tables-nft-restore -n < docker.v6"},
         {"iptables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT",
          "ip6tables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT"}},
        {"Ufw",
         {"iptables-nft-restore -n < ufw.v4", "ip6tables-nft-restore -n < ufw.v6"},
         {"iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
          "iptables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT",
          "ip6tables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"}},
        {"UfwAndDocker",
         {"iptables-nft-restore -n < ufw.v4", "iptables-nft-restore -n < docker.v4",
          "ip6tables-nft-restore -n < ufw.v6", "iptables -P INPUT DROP"},
         {"iptables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT",
          "iptables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT",
          "ip6tables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"}},
        {"Firewalld",
         {"nft -f firewalld.nft"},
         {"nft insert rule inet firewalld filter_FORWARD ct status dnat accept",
          "nft insert rule inet firewalld filter_INPUT ct status dnat accept"}},
        // StrictForwardPorts=no, as it is by default: firewalld lets the translated flows of others pass.
        {"FirewalldByDefault",
         {"nft -f firewalld.nft", "nft insert rule inet firewalld filter_FORWARD ct status dnat accept",
          "nft insert rule inet firewalld filter_INPUT ct status dnat accept"},
         {}},
        // As RHEL 6 had it, and many a hand-made script.
        {"RejectAtTheEnd",
         {"iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
          "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited"},
         {"iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"}},
        // Debian's /usr/share/doc/nftables/examples, with a chain of its own for what is left.
        {"Nftables",
         {"nft 'table inet filter { chain rest { limit rate 5/minute log; counter drop; }; chain forward { type filter "
          "hook forward priority 0; ct state established,related accept; jump rest; }; }'"},
         {"nft insert rule inet filter forward ct status dnat accept"}},
        // A bridge's chains are not on our way.
        {"Bridge",
         {"nft 'table bridge filter { chain forward { type filter hook forward priority 0; policy drop; }; }'"},
         {}},
    };
    return all;
}

struct Question {
    const char* host;
    const char* from;
    const char* service;
    const char* seen;
};
constexpr Question questions[] = {
    {"client", "1.0.0.100", "1.0.0.1:1044", "1.0.0.100"},
    {"routed", "10.0.1.100", "1.0.0.1:1044", "10.0.1.100"},
    {"peer", "10.0.0.50", "1.0.0.1:1044", "1.0.0.1"},
    {"server1", "10.0.0.2", "1.0.0.1:1044", "1.0.0.1"},
    {"gateway", "1.0.0.1", "1.0.0.1:1044", "1.0.0.1"},
    {"client", "2001:db8::100", "[2001:db8::1]:1066", "2001:db8::100"},
    {"routed", "fd00:0:0:1::100", "[2001:db8::1]:1066", "fd00:0:0:1::100"},
    {"peer", "fd00::50", "[2001:db8::1]:1066", "2001:db8::1"},
    {"server2", "fd00::2", "[2001:db8::1]:1066", "2001:db8::1"},
    {"gateway", "2001:db8::1", "[2001:db8::1]:1066", "2001:db8::1"},
    {"client", "1.0.0.100", "1.0.0.1:1055", "1.0.0.100"},
    {"peer", "10.0.0.50", "1.0.0.1:1055", "10.0.0.50"},
    {"gateway", "1.0.0.1", "1.0.0.1:1055", "1.0.0.1"},
};

class NftNeighbours : public testing::TestWithParam<Neighbour> {
protected:
    void SetUp() override {
        need_programs({"iptables", "ip6tables"});
        if (IsSkipped() || HasFailure()) return;
        ASSERT_TRUE(lab_);
        stop();
        for (const std::string& line : GetParam().loading) {
            command(lab_->host("gateway"), "cd " HAIRPIN_SOURCE_DIR "/tests/data/foreign && " + line);
        }
    }

    void stop() {
        lab_->daemon().signal(SIGTERM);
        lab_->daemon().signal(SIGTERM);  // at once
        ASSERT_TRUE(lab_->daemon().wait(patience));
    }

    // Everybody's rules but ours, with their handles: a rule that was replaced by an equal one has another handle.
    std::string theirs() const {
        std::string all = output_of(lab_->host("gateway"), {"nft", "--stateless", "--handle", "list", "ruleset"});
        const size_t begin = all.find("table inet hairpin");
        if (begin != all.npos) all.erase(begin, all.find("\n}\n", begin) + 3 - begin);
        return all;
    }

    // The commands that the daemon shows after its start.
    std::set<std::string> remedies() const {
        const std::string mark = "let it pass with: ";
        const std::string log = lab_->daemon_log();
        std::set<std::string> shown;
        for (size_t at = log.find(mark); at != log.npos; at = log.find(mark, at + 1)) {
            const size_t begin = at + mark.size();
            shown.insert(log.substr(begin, log.find('\n', begin) - begin));
        }
        return shown;
    }

    // `hairpin status` comes to name these, and no others.
    void expect_status_shows(const std::set<std::string>& remedies) const {
        std::string status;
        EXPECT_TRUE(wait_for([&] {
            status = outcome_of(lab_->host("gateway"), {hairpin_binary(), "status", "--socket", lab_.socket()}).output;
            return (status.find("worth a look") == status.npos) == remedies.empty();
        })) << status;
        for (const std::string& remedy : remedies) EXPECT_NE(status.find(remedy), status.npos) << status;
    }

    void expect_service() const {
        for (const Question& question : questions) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                const auto answer =
                    lab::ask(lab_->host(question.host), {protocol, at(question.from), at(question.service)},
                             ProxyHeader::none, patience);
                EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, question.seen)
                    << question.host << " asks " << question.service << " over " << name(protocol);
            }
        }
    }

    const TestLab lab_{yaml, "nft"};
};

TEST_P(NftNeighbours, KeepTheirRulesAndLetOursWork) {
    const std::string found = theirs();
    lab_.start_daemon();
    EXPECT_EQ(theirs(), found);
    EXPECT_EQ(remedies(), GetParam().remedies) << lab_->daemon_log();
    expect_status_shows(remedies());
    for (const std::string& line : remedies()) command(lab_->host("gateway"), line);
    expect_status_shows({});
    const std::string kept = theirs();
    expect_service();

    ASSERT_TRUE(lab_.reload(one_more));
    EXPECT_EQ(theirs(), kept);
    expect_service();
    lab_.kill_daemon();
    EXPECT_EQ(theirs(), kept);
    expect_service();
    lab_.start_daemon();
    EXPECT_EQ(theirs(), kept);
    EXPECT_EQ(remedies(), std::set<std::string>()) << "they were followed";
    expect_service();
    stop();
    EXPECT_EQ(theirs(), kept);
    EXPECT_EQ(output_of(lab_->host("gateway"), {"nft", "list", "ruleset"}).find("hairpin"), std::string::npos);
}

std::string name_of(const testing::TestParamInfo<Neighbour>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Every, NftNeighbours, testing::ValuesIn(neighbours()), name_of);

constexpr const char* docker =
    "nft 'add table ip docker; add chain ip docker FORWARD { type filter hook forward priority 0; policy drop; }'";
constexpr std::string_view dropped =
    "the chain ip docker FORWARD drops what it does not know, and so what is led to backends; let it pass with: nft "
    "insert rule ip docker FORWARD ct status dnat accept";

class NftNeighbourThatComesLater : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    Outcome ask(const std::string& order) const {
        return outcome_of(lab_->host("gateway"), {hairpin_binary(), order, "--socket", lab_.socket()});
    }
    testing::AssertionResult status_shows(std::string_view words) const {
        Outcome last;
        const bool shown = wait_for([&] {
            last = ask("status");
            return last.status == 0 && last.output.find(words) != std::string::npos;
        });
        return shown ? testing::AssertionSuccess() : testing::AssertionFailure() << last.status << "\n" << last.output;
    }

    const TestLab lab_{yaml, "nft"};
};

TEST_F(NftNeighbourThatComesLater, IsSeenAndToldOfUntilItLetsOursPass) {
    EXPECT_EQ(ask("status").output.find("worth a look"), std::string::npos);
    command(lab_->host("gateway"), docker);
    EXPECT_TRUE(lab_.logs(dropped));
    EXPECT_TRUE(status_shows(fmt::format("worth a look:\n  {}", dropped)));
    EXPECT_NE(ask("events").output.find(dropped), std::string::npos);
    command(lab_->host("gateway"), "nft insert rule ip docker FORWARD ct status dnat accept");
    EXPECT_TRUE(lab_.logs(fmt::format("over by now: {}", dropped)));
    const Question& external = questions[0];
    const Leg leg = {Protocol::tcp, at(external.from), at(external.service)};
    EXPECT_TRUE(lab::ask(lab_->host(external.host), leg, ProxyHeader::none, patience));
}

// Nobody's chains change then: ours come to pass others.
TEST_F(NftNeighbourThatComesLater, IsSeenAfterAReloadThatMeetsItFirst) {
    ASSERT_TRUE(lab_.reload("services: {v6: {listen: \"[2001:db8::1]:1066\", backends: \"[fd00::2]:2066\"}}\n"));
    command(lab_->host("gateway"), docker);
    command(lab_->host("gateway"),
            "nft 'add table ip6 other; add chain ip6 other f { type filter hook forward priority 0; policy drop; }'");
    EXPECT_TRUE(lab_.logs("the chain ip6 other f drops"));
    EXPECT_EQ(lab_->daemon_log().find(dropped), std::string::npos) << "it drops IPv4 alone";
    ASSERT_TRUE(lab_.reload(yaml));
    EXPECT_TRUE(status_shows(dropped));
}

TEST_F(NftNeighbourThatComesLater, IsForetoldByCheck) {
    const TemporaryFile config(yaml);
    const auto foretold = [&] {
        return outcome_of(lab_->host("gateway"), {hairpin_binary(), "check", "--engine", "nft", config.path()});
    };
    EXPECT_EQ(foretold().output.find("on this machine"), std::string::npos) << foretold().output;
    command(lab_->host("gateway"), docker);
    EXPECT_EQ(foretold().status, 0);
    EXPECT_NE(foretold().output.find(fmt::format("note: on this machine: {}", dropped)), std::string::npos)
        << foretold().output;
}

// What is a warning to `run` and `reload` is no more to an upgrade.
TEST_F(NftNeighbourThatComesLater, IsNoReasonAgainstAnUpgrade) {
    command(lab_->host("gateway"), docker);
    EXPECT_TRUE(status_shows(dropped));
    const Outcome upgraded = ask("upgrade");
    EXPECT_EQ(upgraded.status, 0) << upgraded.output << lab_->daemon_log();
    EXPECT_TRUE(status_shows(dropped)) << "the next one has seen it, too";
}

}  // namespace
}  // namespace hairpin
