// Whatever kind a check is of, it asks as clients outside do, and tells what a backend lacks from what the gateway
// does.
//
//   client ── 1.0.0.1, 2001:db8::1  gateway ──┬── server1 10.0.0.2, fd00::2
//                                             ╰── peer 10.0.0.50              which passes nothing on
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "net/socket.h"
#include "scenario/health_via.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

// Answers whoever asks over TCP and UDP, as HTTP does, and counts whom it expected.
class Answerer {
public:
    Answerer(const lab::Host& host, const Endpoint& endpoint, const Ip& expected)
        : expected_(expected), listener_(listen_on(host, endpoint)), datagrams_(host, endpoint) {
        thread_ = std::thread([this] {
            while (!stop_) {
                if (is_readable(listener_, 5ms)) answer(accept_from(listener_));
                if (const auto asked = datagrams_.receive(5ms)) {
                    datagrams_.send(asked->from, text);
                    if (asked->from.ip == expected_) ++datagrams_met;
                }
            }
        });
    }
    ~Answerer() {
        stop_ = true;
        thread_.join();
    }
    std::atomic<int> connections_met = 0;
    std::atomic<int> datagrams_met = 0;

private:
    static constexpr std::string_view text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    void answer(const Fd& client) {
        const auto from = peer_endpoint(client.get());
        if (from && from->ip == expected_) ++connections_met;
        if (is_readable(client, 300ms)) (void)recv(client.get(), heard_.data(), heard_.size(), 0);
        send_all(client, text);
        finish(client);
    }

    const Ip expected_;
    Fd listener_;
    UdpSocket datagrams_;
    std::string heard_ = std::string(4096, '\0');
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

std::string ip(const Side& side) { return side.external.is_v4() ? "ip -4 " : "ip -6 "; }

// A service for each kind of check, of one server that answers all of them.
class EveryKindOfCheck : public ChecksVia {
protected:
    void serve_kinds(const Side& side, std::string_view how_often = times) {
        server_.reset();
        all_.clear();
        const auto of_kind = [&](std::string_view service, uint16_t number, std::string_view kind) {
            const Endpoint backend = {side.first.ip, static_cast<uint16_t>(2000 + number)};
            all_.emplace_back(service, backend);
            return fmt::format(
                "  {}: {{listen: \"{}\", backends: \"{}\", health: {{port: 2999, via: endpoint, {}, {}}}}}\n", service,
                Endpoint{side.external, number}.str(), backend.str(), how_often, kind);
        };
        ASSERT_NO_FATAL_FAILURE(serve("services:\n" + of_kind("said", 1, "send: hello, expect: OK") +
                                      of_kind("http", 2, "kind: http") + of_kind("udp", 3, "kind: udp")));
        command(host("gateway"), "sysctl -qw net.ipv4.conf.all.rp_filter=1");  // strict
        server_ = std::make_unique<Answerer>(host_of(side.first), Endpoint{side.first.ip, 2999}, side.external);
        for (const auto& [service, endpoint] : all_) ASSERT_TRUE(becomes(service, endpoint, "up"));
    }

    std::vector<Checked> all_;
    std::unique_ptr<Answerer> server_;
};

TEST_P(EveryKindOfCheck, AsksAsClientsDo) {
    ASSERT_NO_FATAL_FAILURE(serve_kinds(sides()[0]));
    EXPECT_TRUE(wait_for([&] { return server_->connections_met >= 2 && server_->datagrams_met >= 1; }))
        << "they did not ask from there";

    command(host("server1"), "ip route replace default via 10.0.0.50");
    for (const Checked& one : all_) EXPECT_TRUE(is_accused(one, complaint(sides()[0])));
    command(host("server1"), "ip route replace default via 10.0.0.1");
    for (const auto& [service, endpoint] : all_) EXPECT_TRUE(becomes(service, endpoint, "up"));
}

// What the gateway's own routing has against the address of clients is no fault of the backend.
TEST_P(EveryKindOfCheck, ThatCannotAskFromThereProvesNothing) {
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_NO_FATAL_FAILURE(serve_kinds(side));
        for (const char* refusal : {"prohibit", "unreachable"}) {
            SCOPED_TRACE(refusal);
            const size_t before = log().size();
            const std::string rule = ip(side) + "rule ";
            command(host("gateway"), fmt::format("{}add from {} to {} {} pref 100", rule, side.external.str(),
                                                 side.first.ip.str(), refusal));
            EXPECT_TRUE(keep_passing(all_, 2));
            EXPECT_EQ(log().find("is down", before), std::string::npos) << log();
            command(host("gateway"), rule + "del pref 100");
        }
    }
}

// How the gateway loses a backend for everybody, what a check says of it, and how it finds it again.
struct Loss {
    std::string begins, reason, ends;
};
std::vector<Loss> losses(const Side& side) {
    const std::string add = ip(side) + "route add ";
    const std::string del = ip(side) + "route del ";
    const std::string backend = side.first.ip.str();
    const std::string network = side.external.is_v4() ? "10.0.0.0/24 dev int" : "fd00::/64 dev int";
    return {{add + "prohibit " + backend, "permission denied", del + "prohibit " + backend},
            {add + "unreachable " + backend, "no route to host", del + "unreachable " + backend},
            {del + network, "network is unreachable", add + network}};
}

TEST_P(EveryKindOfCheck, FailsWhereNobodyGetsToTheBackendAnyMore) {
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_NO_FATAL_FAILURE(serve_kinds(side, "interval: 400ms, timeout: 200ms, rise: 1, fall: 2"));
        command(host("gateway"), "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.int.rp_filter=0");
        for (const Loss& loss : losses(side)) {
            SCOPED_TRACE(loss.begins);
            command(host("gateway"), loss.begins);
            for (const Checked& one : all_) EXPECT_TRUE(is_accused(one, loss.reason));
            command(host("gateway"), loss.ends);
            for (const auto& [service, endpoint] : all_) EXPECT_TRUE(becomes(service, endpoint, "up"));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Every, EveryKindOfCheck, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
