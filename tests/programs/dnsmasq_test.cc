// dnsmasq behind port 53 of the gateway, asked with dig over UDP and TCP, IPv4 and IPv6.
//
//                        ╭─ gateway ────────────╮             ╭─ server1 ──╮
//   ╭─ client ──────╮    │ ext              int ├── switch ─┬─┤ 10.0.0.2   │
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 │           │ ╭─ server2 ──╮
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │           ├─┤ fd00::2    │
//   ╰───────────────╯    │                      │           │ ╭─ peer ─────╮
//                        │                      │           ╰─┤ 10.0.0.50  │
//                        │                      │             │ fd00::50   │
//                        │                      │             ╭─ routed ───────╮
//                        │        int2 10.0.1.1 ├─────────────┤ 10.0.1.100     │
//                        │        fd00:0:0:1::1 │             │ fd00:0:0:1::100│
//                        ╰──────────────────────╯             ╰────────────────╯
#include <gtest/gtest.h>

#include <tuple>

#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
defaults: {protocol: both, idle_timeout: 10s}
services:
  v4: {listen: "1.0.0.1:53", backends: "10.0.0.2:53"}
  v6: {listen: "[2001:db8::1]:53", backends: "[fd00::2]:53"}
)";

struct Family4or6 {
    const char* service;
    const char* endpoint;
    const char* backend;
    const char* server;  // the host with the backend
};
void PrintTo(const Family4or6& family, std::ostream* out) { *out << family.service; }
constexpr Family4or6 families[] = {{"v4", "1.0.0.1", "10.0.0.2", "server1"},
                                   {"v6", "2001:db8::1", "fd00::2", "server2"}};

// 12 strings, 3072 bytes with their lengths: more than dig and dnsmasq put into a datagram unless told to.
std::string large_record() {
    std::string record;
    for (int i = 0; i < 12; ++i) record += "," + std::string(255, static_cast<char>('a' + i));
    return record;
}
std::string large_answer() {
    std::string answer;
    for (int i = 0; i < 12; ++i) {
        answer += (i ? " \"" : "\"") + std::string(255, static_cast<char>('a' + i)) + "\"";
    }
    return answer + "\n";
}

class Dnsmasq : public testing::TestWithParam<std::tuple<std::string, Family4or6>> {
protected:
    void SetUp() override {
        need_programs({"dnsmasq", "dig"});
        if (IsSkipped() || HasFatalFailure()) return;
        lab_ = std::make_unique<TestLab>(yaml, std::get<0>(GetParam()), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        dnsmasq_ = start_server((*lab_)->host(family_.server),
                                {path_of("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file",
                                 "--user=root", "--log-facility=-", "--no-resolv", "--no-hosts", "--bind-interfaces",
                                 std::string("--listen-address=") + family_.backend, "--local=/example/",
                                 "--address=/service.example/192.0.2.7", "--address=/service.example/2001:db8:7::7",
                                 "--txt-record=large.example" + large_record(), "--edns-packet-max=4096"},
                                "started, version");
        ASSERT_TRUE(dnsmasq_);
    }

    // The clients on the paths external, routed, peer, self, local.
    std::vector<std::string> clients() const { return {"client", "routed", "peer", family_.server, "gateway"}; }

    std::string dig(const std::string& from, std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(),
                         {path_of("dig"), "-r", "+tries=1", "+time=5", std::string("@") + family_.endpoint});
        return output_of((*lab_)->host(from), arguments);
    }

    const Family4or6 family_ = std::get<1>(GetParam());
    std::unique_ptr<TestLab> lab_;
    std::unique_ptr<lab::Process> dnsmasq_;
};

bool contains(const std::string& text, const std::string& words) { return text.find(words) != text.npos; }

// dig takes a reply only from the address and port that it asked.
TEST_P(Dnsmasq, AnswersEveryClientOverUdpAndTcp) {
    for (const std::string& from : clients()) {
        for (const char* transport : {"+notcp", "+tcp"}) {
            SCOPED_TRACE(from + " " + transport);
            EXPECT_EQ(dig(from, {transport, "+short", "service.example", "A"}), "192.0.2.7\n");
            EXPECT_EQ(dig(from, {transport, "+short", "service.example", "AAAA"}), "2001:db8:7::7\n");
        }
    }
    for (const Path path : all_paths) EXPECT_EQ(lab_->stats(family_.service).accepted_on(path), 4u) << name(path);
}

TEST_P(Dnsmasq, SaysThatANameDoesNotExist) {
    EXPECT_TRUE(contains(dig("peer", {"nothing.example"}), "status: NXDOMAIN"));
}

TEST_P(Dnsmasq, RepeatsOverTcpWhatIsTooLongForUdp) {
    for (const std::string& from : clients()) {
        SCOPED_TRACE(from);
        const std::string cut = dig(from, {"+ignore", "+bufsize=1232", "large.example", "TXT"});
        EXPECT_TRUE(contains(cut, "flags: qr aa tc")) << cut;
        const std::string whole = dig(from, {"+bufsize=1232", "large.example", "TXT"});
        EXPECT_TRUE(contains(whole, "Truncated, retrying in TCP mode")) << whole;
        EXPECT_TRUE(contains(whole, large_answer())) << whole;
        EXPECT_TRUE(contains(whole, std::string("#53(") + family_.endpoint + ") (TCP)")) << whole;
    }
}

TEST_P(Dnsmasq, DeliversALongReplyInOneDatagram) {
    for (const std::string& from : clients()) {
        SCOPED_TRACE(from);
        const std::string whole = dig(from, {"+notcp", "+ignore", "+bufsize=4096", "large.example", "TXT"});
        EXPECT_TRUE(contains(whole, large_answer())) << whole;
        EXPECT_TRUE(contains(whole, std::string("#53(") + family_.endpoint + ") (UDP)")) << whole;
    }
}

std::string name_of(const testing::TestParamInfo<Dnsmasq::ParamType>& info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).service;
}
INSTANTIATE_TEST_SUITE_P(Every, Dnsmasq,
                         testing::Combine(testing::ValuesIn(engine_names()), testing::ValuesIn(families)), name_of);

}  // namespace
}  // namespace hairpin
