// Forwarding outlives the daemon: while it is killed, started again and told another configuration, not one of some
// 100,000 packets a second is lost, from outside and hairpinned.
//
//   client ──── gateway ──── switch ──── server1: counts what arrives
//                               ╰─────── peer
//
// HAIRPIN names the program, HAIRPIN_LOAD_SECONDS (15) for how long.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "net/sockaddr.h"
#include "support/churn.h"
#include "support/kernel_engines.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view yaml =
    "services: {one: {listen: \"1.0.0.1:1044\", backends: \"10.0.0.2:2044\", protocol: udp}}";
const std::string with_another = std::string(yaml.substr(0, yaml.size() - 1)) +
                                 ", two: {listen: \"1.0.0.1:1045\", backends: \"10.0.0.3:2044\", protocol: both}}";

// From eight sockets, up to 72,000 datagrams a second, 72 at a time, for which no queue on the way is too short. Who is
// held up does not make up for it.
class Flood {
public:
    Flood(const lab::Host& host, std::string_view own) {
        for (int i = 0; i < 8; ++i) sockets_.emplace_back(host, at(own));
        thread_ = std::thread([this] { loop(); });
    }
    ~Flood() { stop(); }
    Flood(const Flood&) = delete;
    Flood& operator=(const Flood&) = delete;

    void stop() {
        stopped_ = true;
        if (thread_.joinable()) thread_.join();
    }
    uint64_t sent() const { return sent_; }

private:
    void loop() {
        const SockAddr to(at("1.0.0.1:1044"));
        std::array<char, 32> payload{};
        iovec content{payload.data(), payload.size()};
        std::array<mmsghdr, 9> burst{};
        for (mmsghdr& message : burst) {
            message.msg_hdr.msg_name = const_cast<sockaddr*>(to.get());
            message.msg_hdr.msg_namelen = to.size();
            message.msg_hdr.msg_iov = &content;
            message.msg_hdr.msg_iovlen = 1;
        }
        while (!stopped_) {
            const auto next = Clock::now() + 1ms;
            for (const UdpSocket& socket : sockets_) {
                const int sent = sendmmsg(socket.fd(), burst.data(), burst.size(), 0);
                if (sent > 0) sent_ += static_cast<uint64_t>(sent);
            }
            std::this_thread::sleep_until(next);  // the pace
        }
    }

    std::vector<UdpSocket> sockets_;
    std::atomic<bool> stopped_ = false;
    std::atomic<uint64_t> sent_ = 0;
    std::thread thread_;
};

class TakeoverUnderLoad : public testing::TestWithParam<std::string> {};

TEST_P(TakeoverUnderLoad, LosesNoPacket) {
    if (!names_program_to_measure()) GTEST_SKIP() << "HAIRPIN names no program to measure; ./test load sees to it";
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& server = lab->host("server1");
    const UdpSocket there(server, at("10.0.0.2:2044"));  // read by nobody: the kernel has counted by then
    const auto arrived = [&] { return kernel_counter(server, "Ip", "InDelivers"); };
    const uint64_t before = arrived();
    const auto begin = Clock::now();
    Flood floods[] = {{lab->host("client"), "1.0.0.100"}, {lab->host("peer"), "10.0.0.50"}};
    const auto sent = [&] { return floods[0].sent() + floods[1].sent(); };
    const auto go_on = [&] {
        const uint64_t so_far = sent();
        EXPECT_TRUE(wait_for([&] { return sent() > so_far + 50'000; }));
    };
    int rounds = 0;
    for (; Clock::now() < begin + load_time() || rounds < 2; ++rounds) {
        go_on();
        lab.kill_daemon();
        go_on();
        lab.start_daemon();
        go_on();
        ASSERT_TRUE(lab.reload(rounds % 2 == 0 ? with_another : yaml));
    }
    for (Flood& flood : floods) flood.stop();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto received = [&] { return arrived() - before; };
    EXPECT_TRUE(wait_for([&] { return received() >= sent(); }));
    const double rate = static_cast<double>(sent()) / seconds;
    std::printf("load: %s: %lu packets, %.0f/s, while the daemon was killed and started %d times: %ld lost\n",
                GetParam().c_str(), sent(), rate, rounds, static_cast<long>(sent() - received()));
    EXPECT_EQ(received(), sent());
    EXPECT_GT(rate, 50'000);
}

INSTANTIATE_TEST_SUITE_P(Every, TakeoverUnderLoad, testing::ValuesIn(kernel_engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
