// At the end of what the system gives - descriptors, ports, privileges - new work is refused at once and in words, and
// what lives goes on.
//
//               ╭─ gateway ──────────────────╮
//   client ─────┤ 1.0.0.1:1234               ├── switch ── server1 10.0.0.2
//               │ few descriptors, few ports │
//               ╰────────────────────────────╯
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fstream>
#include <vector>

#include "net/socket.h"
#include "support/binary.h"
#include "support/tcp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::string_view yaml = R"(
threads: 2
services:
  srv: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}
)";
const Endpoint external = *Endpoint::parse("1.0.0.1:1234");
const Endpoint internal = *Endpoint::parse("10.0.0.2:12345");

size_t count(std::string_view text, std::string_view words) {
    size_t found = 0;
    for (size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) ++found;
    return found;
}

// A lab whose daemon may have so many descriptors. A connection takes two: with one number the client of the last one
// cannot be accepted, with the next it is, and no backend can be asked.
class TcpLimitsOfDescriptors : public testing::TestWithParam<int> {
protected:
    const TestLab lab{yaml, "proxy", TestLab::Backends::none, {"prlimit", "--nofile=" + std::to_string(GetParam())}};
};

TEST_P(TcpLimitsOfDescriptors, AtTheEndNewClientsAreRefusedAndLiveOnesGoOn) {
    ASSERT_TRUE(lab);
    const lab::Host& host = lab->host("client");
    const Fd server = listen_on(lab->host("server1"), internal);
    std::vector<Conversation> live;
    Meeting meeting;
    while (live.size() < 100 && (meeting = meet(host, external, {&server})).conversation) {
        live.push_back(*std::move(meeting.conversation));
    }
    EXPECT_GE(live.size(), 30) << "two descriptors each";
    EXPECT_LE(live.size(), 50);

    const auto began = steady_clock::now();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(meet(host, external, {&server}).refused_with, ECONNRESET);
    }
    EXPECT_LT(steady_clock::now() - began, 20 * 500ms) << "they had to wait";
    EXPECT_EQ(lab.stats("srv").refused_for(Refusal::descriptors), 21);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - began).count();
    EXPECT_GE(count(lab->daemon_log(), "no file descriptor is left"), 1) << lab->daemon_log();
    EXPECT_LE(count(lab->daemon_log(), "no file descriptor is left"), seconds + 2) << lab->daemon_log();
    for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());

    live.clear();
    EXPECT_TRUE(wait_for([&] { return lab.stats("srv").active == 0; }));
    meeting = meet(host, external, {&server});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    EXPECT_TRUE(meeting.conversation->alive());
}

// Descriptors are short while many clients wait at once: each is served or refused, none is left to wait.
TEST_P(TcpLimitsOfDescriptors, ACrowdIsServedOrRefusedToTheLast) {
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), internal);
    std::vector<Fd> clients;
    size_t told = 0;
    for (int i = 0; i < 100; ++i) {
        Fd client = dial(lab->host("client"), external);
        const int why = client ? 0 : errno;
        EXPECT_TRUE(why == 0 || why == ECONNRESET) << strerror(why);
        why == 0 ? clients.push_back(std::move(client)) : void(++told);  // it may be reset before connect() is back
    }
    ServiceStats stats;
    const auto settled = [&] {
        told += std::erase_if(clients, [](const Fd& client) {
            return is_readable(client, 0ms) && receive_to_end(client).error == ECONNRESET;
        });
        stats = lab.stats("srv");
        return told + stats.active == 100 && stats.refused_for(Refusal::descriptors) == told;
    };
    EXPECT_TRUE(wait_for(settled)) << told << " were told, " << stats.active << " served, "
                                   << stats.refused_for(Refusal::descriptors) << " counted as refused";
    EXPECT_GE(told, 50);
}

INSTANTIATE_TEST_SUITE_P(Every, TcpLimitsOfDescriptors, testing::Values(100, 101));

TEST(TcpLimits, TooFewDescriptorsForTheEndpointsAloneAreAClearError) {
    auto host = lab::Host::make();
    ASSERT_TRUE(host) << host.error().message;
    auto process = lab::Process::start(*host, {"prlimit", "--nofile=100", hairpin_binary(), "run", "--socket", "none",
                                               "127.0.0.1:2000-2099=127.0.0.1:3000-3099"});
    ASSERT_TRUE(process);
    EXPECT_TRUE((*process)->wait_for_output("takes 100 file descriptors", patience)) << (*process)->output();
    EXPECT_TRUE((*process)->wait_for_output("LimitNOFILE=", patience)) << (*process)->output();
}

TEST(TcpLimits, WithoutPortsNewClientsAreRefusedAndLiveOnesGoOn) {
    const TestLab lab(yaml, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& host = lab->host("client");
    const Fd server = listen_on(lab->host("server1"), internal);
    lab->host("gateway").run([] { std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "40000 40003"; });

    std::vector<Conversation> live;
    for (int i = 0; i < 4; ++i) {
        Meeting meeting = meet(host, external, {&server});
        ASSERT_TRUE(meeting.conversation) << i << ": " << strerror(meeting.refused_with);
        live.push_back(*std::move(meeting.conversation));
    }
    EXPECT_EQ(meet(host, external, {&server}).refused_with, ECONNRESET);
    EXPECT_EQ(lab.stats("srv").refused_for(Refusal::ports), 1);
    EXPECT_TRUE(lab.logs("no source port or address is left"));
    for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());

    reset(std::move(live.back().client));
    EXPECT_EQ(receive_to_end(live.back().backend).error, ECONNRESET);
    // The gateway's port is free a moment after the backend has its reset; TIME_WAIT would be a minute.
    Meeting meeting;
    wait_for([&] { return (meeting = meet(host, external, {&server})).conversation.has_value(); });
    ASSERT_TRUE(meeting.conversation) << "a reset leaves no TIME_WAIT: " << strerror(meeting.refused_with);
    EXPECT_TRUE(meeting.conversation->alive());
}

TEST(TcpLimits, TenThousandPortsAreOneService) {
    const TestLab lab("threads: 2\nservices:\n  ftp: {listen: 1.0.0.1:20000-29999, backends: 10.0.0.2:30000-39999}\n",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    EXPECT_LT(processor_time_of(lab->daemon().pid()), 2s);
    EXPECT_LE(threads_of(lab->daemon().pid()), 6)
        << "two workers, the main one, the log's, the API's, and one to spare";
    for (const int offset : {0, 1, 4999, 5000, 9998, 9999}) {
        SCOPED_TRACE(offset);
        const auto port_from = [&](int first) { return static_cast<uint16_t>(first + offset); };
        const Fd server = listen_on(lab->host("server1"), {internal.ip, port_from(30000)});
        const Meeting meeting = meet(lab->host("client"), {external.ip, port_from(20000)}, {&server});
        ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        EXPECT_TRUE(meeting.conversation->alive());
    }
    EXPECT_FALSE(dial(lab->host("client"), {external.ip, 19999}));
    EXPECT_FALSE(dial(lab->host("client"), {external.ip, 30000}));
    EXPECT_EQ(lab.stats("ftp").accepted_on(Path::external), 6);
}

// `hairpin run` alone on a host, and what it says when it fails.
struct Failed {
    int status = -1;
    std::string output;
};

Failed fail_on(const lab::Host& host, std::vector<std::string> wrapper, const std::string& rule) {
    wrapper.insert(wrapper.end(), {hairpin_binary(), "run", "--socket", "none", rule});
    auto process = lab::Process::start(host, wrapper);
    if (!process) return {-1, process.error().message};
    const auto status = (*process)->wait(patience);
    (*process)->wait_for_output("cannot serve", patience);
    return {status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1, (*process)->output()};
}

class TcpLimitsOfOneHost : public testing::Test {
protected:
    void SetUp() override {
        const auto gained = lab::gain_privileges();
        ASSERT_TRUE(gained) << gained.error().message;
        auto host = lab::Host::make();
        ASSERT_TRUE(host) << host.error().message;
        host_.emplace(*std::move(host));
    }
    std::optional<lab::Host> host_;
};

TEST_F(TcpLimitsOfOneHost, AnEndpointInUseIsAClearError) {
    const Fd taken = listen_on(*host_, *Endpoint::parse("127.0.0.1:1234"));
    const Failed failed = fail_on(*host_, {}, "127.0.0.1:1234=127.0.0.1:80");
    EXPECT_EQ(failed.status, 1) << failed.output;
    EXPECT_NE(failed.output.find("127.0.0.1:1234 (tcp): the port is in use"), std::string::npos) << failed.output;
}

// SO_REUSEPORT would let a second gateway of the same user have half of the first one's clients.
TEST_F(TcpLimitsOfOneHost, AnEndpointOfAnotherGatewayIsAClearError) {
    auto first =
        lab::Process::start(*host_, {hairpin_binary(), "run", "--socket", "none", "127.0.0.1:1234=127.0.0.1:80"});
    ASSERT_TRUE(first);
    ASSERT_TRUE((*first)->wait_for_output("ready: ", patience)) << (*first)->output();
    const Failed failed = fail_on(*host_, {}, "127.0.0.1:1234=127.0.0.1:80");
    EXPECT_EQ(failed.status, 1) << failed.output;
    EXPECT_NE(failed.output.find("the port is in use"), std::string::npos) << failed.output;
}

TEST_F(TcpLimitsOfOneHost, ALowPortWithoutPrivilegeNamesTheWayOut) {
    const Failed failed =
        fail_on(*host_, {"setpriv", "--bounding-set=-net_bind_service"}, "127.0.0.1:80=127.0.0.1:8080");
    EXPECT_EQ(failed.status, 1) << failed.output;
    EXPECT_NE(failed.output.find("127.0.0.1:80 (tcp)"), std::string::npos) << failed.output;
    EXPECT_NE(failed.output.find("CAP_NET_BIND_SERVICE"), std::string::npos) << failed.output;
}

}  // namespace
}  // namespace hairpin
