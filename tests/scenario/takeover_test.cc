// Nobody notices that the daemon dies, comes back, reads another configuration or follows a change of the network: not
// one datagram is lost, of live flows and of those that begin meanwhile, and streams go on.
//
//   client ────── gateway ──────╮   the daemon is killed, restarted, reloaded
//                               ├── server1: an echo of numbered datagrams
//   peer ──────── switch ───────╯
#include <atomic>
#include <future>

#include "support/kernel_engines.h"
#include "support/numbered.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  udp: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  tcp: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044"}
)";
const std::string others = std::string(yaml) + R"(
  more: {listen: "1.0.0.1:8000-8100", backends: ["10.0.0.2:9000-9100", "10.0.0.3:9000-9100"], protocol: both}
  pair: {listen: "1.0.0.1:53", backends: ["10.0.0.2:53", "10.0.0.3:53"], protocol: both, idle_timeout: 10s}
)";

// Bytes that come back unchanged, over and over.
class LiveStream {
public:
    LiveStream(const lab::Host& host, const Fd& server) {
        Meeting meeting = meet(host, at("1.0.0.1:1044"), {&server});
        EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        if (!meeting.conversation) return;
        conversation_ = *std::move(meeting.conversation);
        intact_ = std::async(std::launch::async, [this] {
            const std::string bytes = noise(50'000);
            while (!stopped_) {
                const bool came =
                    send_all(conversation_.client, bytes) && receive(conversation_.backend, bytes.size()) == bytes &&
                    send_all(conversation_.backend, bytes) && receive(conversation_.client, bytes.size()) == bytes;
                if (!came) return false;
                ++rounds_;
            }
            return true;
        });
    }
    bool intact() {
        stopped_ = true;
        return intact_.valid() && intact_.get();
    }
    int rounds() const { return rounds_; }

private:
    Conversation conversation_;
    std::atomic<bool> stopped_ = false;
    std::atomic<int> rounds_ = 0;
    std::future<bool> intact_;
};

class Takeover : public testing::TestWithParam<std::string> {};

TEST_P(Takeover, LosesNothing) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Endpoint service = at("1.0.0.1:1044");
    const lab::Host& outside = lab->host("client");
    const lab::Host& peer = lab->host("peer");
    const Fd server = listen_on(lab->host("server1"), at("10.0.0.2:2044"));
    LiveStream streams[] = {{outside, server}, {peer, server}};
    const NumberedReceiver receiver(lab->host("server1"), at("10.0.0.2:2044"), 4);
    using Flows = NumberedSender::Flows;
    NumberedSender senders[] = {{outside, at("1.0.0.100").ip, service, 0, Flows::one},
                                {peer, at("10.0.0.50").ip, service, 1, Flows::one},
                                {outside, at("1.0.0.100").ip, service, 2, Flows::many},
                                {peer, at("10.0.0.50").ip, service, 3, Flows::many}};
    const auto go_on_for_a_while = [&] {
        for (const LiveStream& stream : streams) {
            const int before = stream.rounds();
            EXPECT_TRUE(wait_for([&] { return stream.rounds() > before + 10; }));
        }
        for (const NumberedSender& sender : senders) {
            const uint64_t before = receiver.received(sender.id());
            EXPECT_TRUE(wait_for([&] { return receiver.received(sender.id()) > before + 500; })) << sender.id();
        }
    };

    go_on_for_a_while();
    lab.kill_daemon();
    go_on_for_a_while();
    lab.start_daemon();
    go_on_for_a_while();
    lab->daemon().signal(SIGQUIT);  // `systemctl restart`
    EXPECT_EQ(lab->daemon().wait(patience), 0);
    go_on_for_a_while();
    lab.start_daemon();
    go_on_for_a_while();
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(lab.reload(others));
        EXPECT_TRUE(lab.reload(yaml));
    }
    go_on_for_a_while();
    EXPECT_TRUE(lab.follows([&] { command(lab->host("gateway"), "ip address add 10.5.0.1/24 dev int"); }));
    go_on_for_a_while();

    for (LiveStream& stream : streams) EXPECT_TRUE(stream.intact());
    for (NumberedSender& sender : senders) {
        sender.stop();
        EXPECT_TRUE(wait_for([&] { return receiver.received(sender.id()) == sender.sent(); }));
        EXPECT_EQ(receiver.received(sender.id()), sender.sent()) << "of sender " << sender.id();
    }
    for (const int one_flow : {0, 1}) EXPECT_EQ(senders[one_flow].answered(), senders[one_flow].sent());
}

INSTANTIATE_TEST_SUITE_P(Every, Takeover, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
