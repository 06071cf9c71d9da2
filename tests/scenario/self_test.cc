// What a client gets that is itself a backend: `self` of the service, over both protocols, whichever engine carries it.
//
//   client 1.0.0.100, 2001:db8::100 ──── gateway ──┬── server1  10.0.0.2, fd00::2
//                                                  ╰── server2  10.0.0.3, fd00::3
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "lab/prober.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using Names = std::set<std::string>;

// The same backends in turn, by the client, in a range of ports, and over IPv6.
std::string yaml(SelfPolicy self) {
    return fmt::format(R"(
defaults: {{protocol: both, self: {}}}
services:
  turns: {{listen: "1.0.0.1:80", backends: ["10.0.0.2:80", "10.0.0.3:80"]}}
  maglev: {{listen: "1.0.0.1:90", backends: ["10.0.0.2:90", "10.0.0.3:90"], balance: maglev}}
  range: {{listen: "1.0.0.1:5000-5002", backends: ["10.0.0.2:6000-6002", "10.0.0.3:5000-5002"]}}
  six: {{listen: "[2001:db8::1]:80", backends: ["[fd00::2]:80", "[fd00::3]:80"]}}
  alone: {{listen: "1.0.0.1:70", backends: "10.0.0.2:70"}}
)",
                       name(self));
}

class Self : public testing::TestWithParam<std::string> {
protected:
    void serve(SelfPolicy self) {
        lab_.emplace(yaml(self), GetParam());
        ASSERT_TRUE(*lab_);
    }
    const TestLab& lab() const { return *lab_; }

    // Who answers several times, by address.
    Names answering(const char* client, const char* asked) const {
        Names names;
        const Ip ip = at(client).ip;
        for (int i = 0; i < 4; ++i) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                const auto answer =
                    lab::ask(host_with(lab(), {ip, 0}), {protocol, {ip, 0}, at(asked)}, ProxyHeader::none, patience);
                EXPECT_TRUE(answer) << client << " asks " << asked << ": " << answer.error().message;
                if (answer) names.insert(answer->greeting.leg.destination.ip.str());
            }
        }
        return names;
    }

    void expect_led(const char* client, const char* asked, const Names& backends) const {
        EXPECT_EQ(answering(client, asked), backends) << client << " asks " << asked << "\n" << lab()->daemon_log();
    }

    void expect_refused(const char* client, const char* asked, std::string_view service) const {
        const ServiceStats before = lab().stats(service);
        const lab::Host& host = host_with(lab(), {at(client).ip, 0});
        const Fd connection = connect_from(host, {Protocol::tcp, {at(client).ip, 0}, at(asked)});
        const int why = connection ? receive_to_end(connection).error : errno;
        EXPECT_EQ(why, GetParam() == "proxy" ? ECONNRESET : ECONNREFUSED) << strerror(why);
        const Fd datagrams = connect_from(host, {Protocol::udp, {at(client).ip, 0}, at(asked)});
        (void)send(datagrams.get(), "question", 8, 0);
        const auto denied = [&] { return lab().stats(service).refused_for(Refusal::denied); };
        EXPECT_TRUE(wait_for([&] { return denied() == before.refused_for(Refusal::denied) + 2; })) << denied();
        EXPECT_EQ(lab().stats(service).accepted, before.accepted);
        EXPECT_EQ(lab().stats(service).refused_for(Refusal::backend), before.refused_for(Refusal::backend));
    }

    // Policies say nothing of those that are no backends.
    void expect_others_led_to_all() const {
        for (const char* client : {"1.0.0.100", "10.0.0.50"}) {
            expect_led(client, "1.0.0.1:80", {"10.0.0.2", "10.0.0.3"});
            expect_led(client, "1.0.0.1:5001", {"10.0.0.2", "10.0.0.3"});
            expect_led(client, "1.0.0.1:70", {"10.0.0.2"});
        }
        expect_led("2001:db8::100", "[2001:db8::1]:80", {"fd00::2", "fd00::3"});
    }

private:
    std::optional<TestLab> lab_;
};

TEST_P(Self, AllowLeadsABackendAnywhere) {
    serve(SelfPolicy::allow);
    expect_led("10.0.0.2", "1.0.0.1:80", {"10.0.0.2", "10.0.0.3"});
    expect_led("10.0.0.2", "1.0.0.1:5000", {"10.0.0.2", "10.0.0.3"});
    expect_led("fd00::3", "[2001:db8::1]:80", {"fd00::2", "fd00::3"});
    expect_led("10.0.0.2", "1.0.0.1:70", {"10.0.0.2"});
    expect_others_led_to_all();
}

TEST_P(Self, AvoidLeadsItToAnotherOneIfThereIsOne) {
    serve(SelfPolicy::avoid);
    for (const char* asked : {"1.0.0.1:80", "1.0.0.1:90", "1.0.0.1:5002"}) {
        expect_led("10.0.0.2", asked, {"10.0.0.3"});
        expect_led("10.0.0.3", asked, {"10.0.0.2"});
    }
    expect_led("fd00::2", "[2001:db8::1]:80", {"fd00::3"});
    expect_led("fd00::3", "[2001:db8::1]:80", {"fd00::2"});
    expect_led("10.0.0.2", "1.0.0.1:70", {"10.0.0.2"});
    expect_led("10.0.0.3", "1.0.0.1:70", {"10.0.0.2"});
    expect_others_led_to_all();
}

TEST_P(Self, PreferLeadsItToItself) {
    serve(SelfPolicy::prefer);
    for (const char* client : {"10.0.0.2", "10.0.0.3"}) {
        for (const char* asked : {"1.0.0.1:80", "1.0.0.1:90", "1.0.0.1:5002"}) expect_led(client, asked, {client});
    }
    for (const char* client : {"fd00::2", "fd00::3"}) expect_led(client, "[2001:db8::1]:80", {client});
    expect_led("10.0.0.3", "1.0.0.1:70", {"10.0.0.2"});
    expect_others_led_to_all();
}

TEST_P(Self, DenyLeadsItToAnotherOneOrRefusesIt) {
    serve(SelfPolicy::deny);
    for (const char* asked : {"1.0.0.1:80", "1.0.0.1:90", "1.0.0.1:5002"}) {
        expect_led("10.0.0.2", asked, {"10.0.0.3"});
        expect_led("10.0.0.3", asked, {"10.0.0.2"});
    }
    expect_led("fd00::2", "[2001:db8::1]:80", {"fd00::3"});
    expect_led("10.0.0.3", "1.0.0.1:70", {"10.0.0.2"});
    expect_refused("10.0.0.2", "1.0.0.1:70", "alone");
    expect_others_led_to_all();
}

// 10.0.0.3 takes no new flows any more, so 10.0.0.2 has nobody but itself; and then all is as it was.
TEST_P(Self, FollowsWhichBackendsTakeFlows) {
    constexpr std::string_view text = R"(
services:
  web: {{listen: "1.0.0.1:80", protocol: both, self: {}, backends: ["10.0.0.2:80", {{endpoint: "10.0.0.3:80", weight: {}}}]}}
)";
    const TestLab lab(fmt::format(text, "deny", 1), GetParam());
    ASSERT_TRUE(lab);
    const auto ask = [&] {
        return lab::ask(lab->host("server1"), {Protocol::tcp, at("10.0.0.2"), at("1.0.0.1:80")}, ProxyHeader::none,
                        patience);
    };
    const auto answered = [&](const char* backend) {
        const auto answer = ask();
        return answer && answer->greeting.leg.destination == at(backend);
    };
    EXPECT_TRUE(answered("10.0.0.3:80"));
    ASSERT_TRUE(lab.reload(fmt::format(text, "deny", 0)));
    EXPECT_FALSE(ask());
    EXPECT_EQ(lab.stats("web").refused_for(Refusal::denied), 1u);
    ASSERT_TRUE(lab.reload(fmt::format(text, "avoid", 0)));
    EXPECT_TRUE(answered("10.0.0.2:80"));
    ASSERT_TRUE(lab.reload(fmt::format(text, "avoid", 1)));
    EXPECT_TRUE(answered("10.0.0.3:80"));
    ASSERT_TRUE(lab.reload(fmt::format(text, "prefer", 1)));
    EXPECT_TRUE(answered("10.0.0.2:80"));
}

INSTANTIATE_TEST_SUITE_P(Engines, Self, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

// --- What the proxy alone can do: it sees who is meant, and that a backend does not accept

TEST(SelfInTheProxy, IsJudgedByTheClientOfTheProxyHeader) {
    const TestLab lab(R"(
services:
  web: {listen: 1.0.0.1:80, backends: [10.0.0.2:80, 10.0.0.3:80], self: avoid, proxy_protocol: {accept_from: 1.0.0.100}}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd first = listen_on(lab->host("server1"), at("10.0.0.2:80"));
    const Fd second = listen_on(lab->host("server2"), at("10.0.0.3:80"));
    for (int i = 0; i < 3; ++i) {
        for (const auto& [named, other] : {std::pair("10.0.0.3", &first), std::pair("10.0.0.2", &second)}) {
            const Fd client = dial(lab->host("client"), at("1.0.0.1:80"));
            ASSERT_TRUE(send_all(client, fmt::format("PROXY TCP4 {} 1.0.0.1 4000 80\r\nx", named)));
            EXPECT_EQ(receive(accept_from(*other), 1), "x") << named;
        }
    }
}

// Nobody serves on the one that comes first: the other one does, as without `self`.
TEST(SelfInTheProxy, GoesToTheOthersWhereThePreferredDoesNotAccept) {
    for (const char* self : {"prefer", "avoid"}) {
        const TestLab lab(fmt::format("services:\n  web: {{listen: 1.0.0.1:80, backends: [10.0.0.2:80, 10.0.0.3:80], "
                                      "self: {}}}\n",
                                      self),
                          "proxy", TestLab::Backends::none);
        ASSERT_TRUE(lab);
        const Fd only = listen_on(lab->host("server2"), at("10.0.0.3:80"));
        const char* client = std::string_view(self) == "prefer" ? "server1" : "server2";
        const Meeting meeting = meet(lab->host(client), at("1.0.0.1:80"), {&only});
        EXPECT_TRUE(meeting.conversation) << self << ": " << strerror(meeting.refused_with);
    }
}

}  // namespace
}  // namespace hairpin
