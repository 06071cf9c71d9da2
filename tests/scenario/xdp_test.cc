// Packets of flows that are under way go from driver to driver, and are what they would have been by the other way.
//
//   client ──── ext ─── gateway ─── int ──── switch ──── server1, server2, peer
//                 driver ───> driver
//
// What the gateway's network stack has not seen has taken that way.
#include <algorithm>
#include <csignal>
#include <memory>

#include "support/binary.h"
#include "support/packet.h"
#include "support/places.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class Xdp : public testing::TestWithParam<Place> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    struct Passage {
        std::string came;  // a packet's bytes at the other end
        bool by_driver = false;
    };

    Passage pass(const lab::Host& from, const std::string& packet, const lab::Host& to, const Endpoint& leaves_for) {
        const Capture in_gateway(lab_->host("gateway"));
        const Capture at_end(to);
        const PacketSender sender(from, service_.ip.family());
        sender.send(packet);
        const Endpoint marker{service_.ip, 9};
        const Endpoint asked = read_packet(packet).to;
        sender.send(udp_packet({read_packet(packet).from.ip, 9}, marker, "marker"));
        const auto came = at_end.next([&](const Packet& p) { return p.to == leaves_for; });
        const auto seen = in_gateway.until([&](const Packet& p) { return p.to == marker; });
        EXPECT_TRUE(came) << read_packet(packet).payload();
        const bool by_stack = std::ranges::any_of(seen, [&](const Packet& p) { return p.to == asked; });
        return {came ? came->bytes : "", !by_stack};
    }
    Passage to_backend(const std::string& payload) {
        return pass(client_host_, udp_packet(client_, service_, payload, fields), backend_host_, backend_);
    }
    Passage to_client(const std::string& payload, const Endpoint& seen) {
        return pass(backend_host_, udp_packet(backend_, seen, payload, fields), client_host_, client_);
    }

    static void kill(lab::Process& daemon) {
        daemon.signal(SIGKILL);
        EXPECT_TRUE(daemon.wait(patience));
    }

    static constexpr IpFields fields{.hop_limit = 33, .traffic_class = 0xbb, .id = 4711, .dont_fragment = true};
    const TestLab lab_{one_service_a_family, "xdp", TestLab::Backends::none};
    const Endpoint client_{at(GetParam().client).ip, 40'000};
    const Endpoint service_ = at(GetParam().service);
    const Endpoint backend_ = at(GetParam().backend);
    const lab::Host& client_host_ = host_with(lab_, client_);
    const lab::Host& backend_host_ = host_with(lab_, backend_);
    std::unique_ptr<lab::Process> other_;  // a daemon in place of the lab's
};

TEST_P(Xdp, PacketsAreTheSameByEitherWay) {
    const Passage first = to_backend("a packet");
    EXPECT_FALSE(first.by_driver) << "it begins the flow";
    Passage later;
    ASSERT_TRUE(wait_for([&] { return (later = to_backend("a packet")).by_driver; }));
    EXPECT_EQ(later.came, first.came);

    const Endpoint seen = read_packet(first.came).from;
    const Passage answer = to_client("an answer", seen);
    ASSERT_TRUE(wait_for([&] { return (later = to_client("an answer", seen)).by_driver; }));
    EXPECT_EQ(later.came, answer.came);
    EXPECT_EQ(read_packet(answer.came).from, service_);
}

// Sockets on a machine of veths leave that to a device, of which there is none.
TEST_P(Xdp, PacketsWithoutTheirChecksumArriveWithIt) {
    for (const lab::Host* host : {&client_host_, &backend_host_}) command(*host, "ethtool -K eth0 tx on >/dev/null");
    ASSERT_TRUE(wait_for([&] { return to_backend("until drivers are used").by_driver; }));
    const UdpSocket client(client_host_, {client_.ip, 0});
    const UdpSocket server(backend_host_, backend_);
    const Fd listener = listen_on(backend_host_, backend_);
    const Meeting meeting = meet(client_host_, service_, {&listener});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    for (int i = 0; i < 50; ++i) {
        exchange(client, service_, server);
        ASSERT_TRUE(meeting.conversation->alive());
    }
    const auto& [to_server, to_client] = *meeting.conversation;
    const std::string bytes = noise(100'000);
    EXPECT_TRUE(send_all(to_server, bytes) && receive(to_client, bytes.size()) == bytes);
    EXPECT_TRUE(send_all(to_client, bytes) && receive(to_server, bytes.size()) == bytes);
}

TEST_P(Xdp, StreamsGoByDriversWhereTheyBringTheirChecksums) {
    const Fd listener = listen_on(backend_host_, backend_);
    const Meeting meeting = meet(client_host_, service_, {&listener});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    const Conversation& talk = *meeting.conversation;
    const std::string bytes = noise(100'000);
    const Endpoint marker{service_.ip, 9};
    EXPECT_TRUE(wait_for([&] {
        const Capture in_gateway(lab_->host("gateway"));
        const bool whole = send_all(talk.client, bytes) && receive(talk.backend, bytes.size()) == bytes &&
                           send_all(talk.backend, bytes) && receive(talk.client, bytes.size()) == bytes;
        EXPECT_TRUE(whole);
        send_packet(client_host_, udp_packet({client_.ip, 9}, marker, "marker"));
        const auto seen = in_gateway.until([&](const Packet& p) { return p.to == marker; });
        return !whole || std::ranges::none_of(seen, [](const Packet& p) { return p.protocol == IPPROTO_TCP; });
    }));
}

// A switch that does not know better shows them to everybody.
TEST_P(Xdp, FramesToOthersAreLeftAlone) {
    ASSERT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    const std::string router = client_.ip.is_v4() ? "1.0.0.1" : "2001:db8::1";
    const std::string via = client_.ip == at("1.0.0.100").ip || client_.ip == at("2001:db8::100").ip ? router
                            : client_.ip.is_v4()                                                     ? "10.0.0.1"
                                                                                                     : "fd00::1";
    const Capture at_backend(backend_host_);
    command(client_host_, "ip neigh replace " + via + " lladdr 02:00:00:00:00:99 dev eth0 nud permanent");
    send_packet(client_host_, udp_packet(client_, service_, "to another router"));
    command(client_host_, "ip neigh del " + via + " dev eth0");
    EXPECT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    const auto came = at_backend.until([](const Packet& p) { return p.payload() == "ours"; });
    EXPECT_TRUE(std::ranges::none_of(
        came, [&](const Packet& p) { return p.to == backend_ && p.payload() == "to another router"; }));
}

// A program in the driver must not be the way around a guard.
using XdpInside = Xdp;
TEST_P(XdpInside, PacketsWithForgedSourcesAreStopped) {
    ASSERT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    const Capture at_backend(backend_host_);
    send_packet(lab_->host("client"), udp_packet(client_, service_, "forged", fields));
    EXPECT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    const auto came = at_backend.until([](const Packet& p) { return p.payload() == "ours"; });
    EXPECT_TRUE(std::ranges::none_of(came, [](const Packet& p) { return p.payload() == "forged"; }));
}

// A driver that takes no more frames loses those that it is sent, for as long as it is believed to take them.
TEST_P(Xdp, PacketsGoTheOtherWayWhereADriverTakesNoFrames) {
    ASSERT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    command(lab_->switch_host(), "ethtool -K gateway gro off >/dev/null");
    const std::string packet = udp_packet(client_, service_, "after", fields);
    const PacketSender sender(client_host_, client_.ip.family());
    const UdpSocket backend(backend_host_, backend_);
    // Many in a row: one may go by the stack anyway.
    EXPECT_TRUE(wait_for([&] {
        for (int i = 0; i < 20; ++i) {
            sender.send(packet);
            if (!backend.receive(std::chrono::milliseconds(100))) return false;
        }
        return true;
    }));
    EXPECT_FALSE(to_backend("by the stack").by_driver);
}

// And back: flows live on, and go the way of the engine that serves.
TEST_P(Xdp, FlowsAreTakenOverByTheTcEngine) {
    const Passage first = to_backend("begins");
    ASSERT_TRUE(wait_for([&] { return to_backend("ours").by_driver; }));
    const TemporaryFile config(one_service_a_family);
    for (const auto* engine : {"tc", "xdp"}) {
        other_ ? kill(*other_) : lab_.kill_daemon();
        ASSERT_TRUE(to_backend("meanwhile").came.size());
        auto started = lab::Process::start(lab_->host("gateway"), {hairpin_binary(), "run", "-c", config.path(),
                                                                   "--engine", engine, "--socket", lab_.socket()});
        ASSERT_TRUE(started) << started.error().message;
        other_ = *std::move(started);
        ASSERT_TRUE(other_->wait_for_output("ready: ", patience)) << other_->output();
        EXPECT_EQ(other_->output().find("the kernel still does"), std::string::npos) << other_->output();
        const bool drivers = engine == std::string_view("xdp");
        EXPECT_TRUE(wait_for([&] { return to_backend("ours").by_driver == drivers; }));
        const Passage later = to_backend("begins");
        EXPECT_EQ(read_packet(later.came).from, read_packet(first.came).from) << "the same flow";
    }
}

INSTANTIATE_TEST_SUITE_P(From, XdpInside, testing::Values(peer_v4, peer_v6), name_of_place);
INSTANTIATE_TEST_SUITE_P(From, Xdp, testing::Values(external_v4, peer_v4, external_v6, peer_v6), name_of_place);

}  // namespace
}  // namespace hairpin
