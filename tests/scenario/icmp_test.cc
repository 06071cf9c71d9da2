// ICMP errors about a translated flow reach who caused them, restored outside and inside (RFC 5508, RFC 4787 REQ-12 and
// 13, RFC 5382 REQ-9 and 10): they come from the external address, and speak of what the client sent. No client ever
// sees the address of a backend.
//
//   client, peer, server 1 itself or the gateway ──── gateway ──── server 1: the places of support/places.h
#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/socket.h"
#include "support/kernel_engines.h"
#include "support/packet.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class Icmp : public testing::TestWithParam<EnginePlace> {
protected:
    void SetUp() override {
        ASSERT_TRUE(lab_);
        for (const char* host : {"gateway", "server1"}) {  // an error for every packet, not only the first few
            command(lab_->host(host), "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit");
            command(lab_->host(host), "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit");
        }
    }

    bool v4() const { return service_.ip.is_v4(); }
    bool is_local() const { return lab_->plan().gateway().holds(service_.ip) && client_.ip == service_.ip; }
    // A connected socket of the client's: it hears of errors.
    Fd ask(std::string_view question) const {
        Fd socket = connect_from(client_host_, {Protocol::udp, client_, service_});
        EXPECT_TRUE(socket) << strerror(errno);
        const int on = 1;  // of those too that need not last
        setsockopt(socket.get(), v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, v4() ? IP_RECVERR : IPV6_RECVERR, &on,
                   sizeof on);
        EXPECT_TRUE(send_all(socket, question));
        return socket;
    }

    // The error that came to the client's host about what `socket` sent: nothing but the external address may be seen.
    IcmpError expect_error(const Capture& capture, const Fd& socket, uint8_t type, uint8_t code) const {
        const Endpoint asked_from = local_endpoint(socket.get());
        const auto packet = capture.next([&](const Packet& p) {
            const auto error = icmp_error_in(p);
            return error && error->quoted.from.port == asked_from.port;
        });
        EXPECT_TRUE(packet);
        const IcmpError error = packet ? *icmp_error_in(*packet) : IcmpError{};
        if (!packet) return error;
        EXPECT_EQ(int{error.type}, type);
        EXPECT_EQ(int{error.code}, code);
        EXPECT_EQ(packet->from.ip.str(), service_.ip.str());
        EXPECT_EQ(packet->to.ip.str(), asked_from.ip.str());
        EXPECT_EQ(error.quoted.from.str(), asked_from.str());
        EXPECT_EQ(error.quoted.to.str(), service_.str());
        return error;
    }

    const Endpoint service_ = at(GetParam().service);
    const Endpoint backend_ = at(GetParam().backend);
    const Endpoint client_ = at(GetParam().client);
    const TestLab lab_{one_service_a_family, GetParam().engine, TestLab::Backends::none};
    const lab::Host& client_host_ = host_with(lab_, client_);
    const lab::Host& backend_host_ = host_with(lab_, backend_);
};

using IcmpForwarded = Icmp;  // a process on the gateway is not routed through it
using IcmpDead = Icmp;       // the dead do not ask for themselves

// What the next receive of a connected socket says, once it has something to say.
int error_of(const Fd& socket) {
    EXPECT_TRUE(is_readable(socket, patience));
    char byte = 0;
    return recv(socket.get(), &byte, 1, 0) < 0 ? errno : 0;
}

void expect_carried(const Conversation& conversation, const std::string& stream) {
    auto sent = sending(conversation.client, stream);
    expect_same(receive(conversation.backend, stream.size()), stream);
    EXPECT_TRUE(sent.get());
}

TEST_P(Icmp, AClosedPortIsSeenAsTheServicesOwn) {
    const Capture capture(client_host_);
    const Fd client = ask("anybody there?");
    EXPECT_STREQ(strerror(error_of(client)), strerror(ECONNREFUSED));
    if (is_local()) return;  // no packet of it passes a link of the client's
    expect_error(capture, client, v4() ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH,
                 v4() ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT);
}

// A tunnel on the way to the backend, say. The client learns what fits, and from then on its packets do.
TEST_P(IcmpForwarded, APacketTooBigTellsTheClientWhatFits) {
    const std::string mtu = v4() ? "1300" : "1400";
    ASSERT_TRUE(lab_.follows(
        [&] { command(lab_->host("gateway"), "ip route add " + backend_.ip.str() + " dev int mtu lock " + mtu); }));
    const UdpSocket backend(backend_host_, backend_);
    const Capture capture(client_host_);
    const Fd client = ask("small");
    ASSERT_EQ(backend.receive().value_or(Datagram{}).payload, "small");
    const int always = v4() ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO;
    const int level = v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
    ASSERT_EQ(setsockopt(client.get(), level, v4() ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &always, sizeof always), 0);
    const std::string large = noise(1450);
    ASSERT_TRUE(send_all(client, large));
    EXPECT_STREQ(strerror(error_of(client)), strerror(EMSGSIZE));
    int learned = 0;
    socklen_t length = sizeof learned;
    ASSERT_EQ(getsockopt(client.get(), level, v4() ? IP_MTU : IPV6_MTU, &learned, &length), 0);
    EXPECT_EQ(std::to_string(learned), mtu);
    const IcmpError error =
        expect_error(capture, client, v4() ? ICMP_DEST_UNREACH : ICMP6_PACKET_TOO_BIG, v4() ? ICMP_FRAG_NEEDED : 0);
    EXPECT_EQ(std::to_string(error.mtu), mtu);

    const int never = v4() ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT;
    ASSERT_EQ(setsockopt(client.get(), level, v4() ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &never, sizeof never), 0);
    ASSERT_TRUE(send_all(client, large));
    EXPECT_EQ(backend.receive().value_or(Datagram{}).payload, large) << "in fragments";

    const Fd server = listen_on(backend_host_, backend_);
    const Meeting meeting = meet(client_host_, service_, {&server});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    expect_carried(*meeting.conversation, noise(1'000'000));
}

TEST_P(IcmpForwarded, APacketThatTravelledTooFarDiesAtTheExternalAddress) {
    const Capture capture(client_host_);
    const Fd client = ask("small");
    EXPECT_STREQ(strerror(error_of(client)), strerror(ECONNREFUSED));
    const int one = 1;
    ASSERT_EQ(setsockopt(client.get(), v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, v4() ? IP_TTL : IPV6_UNICAST_HOPS,
                         &one, sizeof one),
              0);
    // A flow of its own, and then one packet of a live flow.
    const Fd fresh = connect_from(client_host_, {Protocol::udp, client_, service_});
    setsockopt(fresh.get(), v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, v4() ? IP_TTL : IPV6_UNICAST_HOPS, &one,
               sizeof one);
    ASSERT_TRUE(send_all(fresh, "short of breath"));
    expect_error(capture, fresh, v4() ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 0);
    const UdpSocket backend(backend_host_, backend_);
    ASSERT_TRUE(send_all(client, "short of breath"));
    expect_error(capture, client, v4() ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 0);
}

TEST_P(IcmpDead, ADeadBackendIsUnreachableAtTheExternalAddress) {
    for (const char* family : {"ipv4", "ipv6"}) {  // it gives up three times this later, a second by default
        command(lab_->host("gateway"), fmt::format("echo 100 > /proc/sys/net/{}/neigh/int/retrans_time_ms", family));
    }
    cut(backend_host_, "eth0");
    const Capture capture(client_host_);
    const Fd client = ask("anybody there?");
    EXPECT_STREQ(strerror(error_of(client)), strerror(EHOSTUNREACH));
    if (!is_local()) {
        expect_error(capture, client, v4() ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH,
                     v4() ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR);
    }
    EXPECT_FALSE(dial(client_host_, service_));
    EXPECT_STREQ(strerror(errno), strerror(EHOSTUNREACH)) << "and over TCP";
}

// Whoever sends them, REQ-12a: here somebody beside the backend.
TEST_P(Icmp, ErrorsEndNoFlow) {
    const lab::Host& other = lab_->host("peer");
    const Ip other_address = v4() ? at("10.0.0.50").ip : at("fd00::50").ip;
    const UdpSocket client(client_host_, client_);
    const UdpSocket backend(backend_host_, backend_);
    const Fd server = listen_on(backend_host_, backend_);
    const Endpoint seen = exchange(client, service_, backend);
    const Capture capture(backend_host_);
    const Meeting meeting = meet(client_host_, service_, {&server});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    ASSERT_TRUE(meeting.conversation->alive());
    const auto segment = capture.next([&](const Packet& p) { return p.to == backend_ && !p.payload().empty(); });
    ASSERT_TRUE(segment);

    for (IcmpError error : icmp_errors(client_.ip.family())) {
        SCOPED_TRACE(testing::Message() << "type " << int{error.type} << " code " << int{error.code});
        for (const Packet& quoted : {read_packet(udp_packet(seen, backend_, "question")), *segment}) {
            error.quoted = quoted;
            send_packet(other, icmp_packet(other_address, quoted.from.ip, error));
        }
        EXPECT_EQ(exchange(client, service_, backend).str(), seen.str());
        EXPECT_TRUE(meeting.conversation->alive());
    }
    expect_carried(*meeting.conversation, noise(300'000));
}

// RFC 5508 REQ-3: what has a wrong checksum says nothing that one could trust; untranslated it would name the backend.
TEST_P(Icmp, ABrokenErrorGoesNowhere) {
    const UdpSocket client(client_host_, client_);
    const UdpSocket backend(backend_host_, backend_);
    const Endpoint seen = exchange(client, service_, backend);
    const Capture capture(client_host_);
    const IcmpError error{v4() ? uint8_t{ICMP_DEST_UNREACH} : uint8_t{ICMP6_DST_UNREACH},
                          v4() ? uint8_t{ICMP_PORT_UNREACH} : uint8_t{ICMP6_DST_UNREACH_NOPORT}, 0,
                          read_packet(udp_packet(seen, backend_, "question"))};
    std::string packet = icmp_packet(backend_.ip, seen.ip, error);
    packet.back() ^= 1;  // of what is quoted
    send_packet(backend_host_, packet);
    backend.send(seen, "marker");
    for (const Packet& came : capture.until([](const Packet& p) { return p.payload() == "marker"; })) {
        const bool sent_here = is_local();  // the gateway itself is whom it was sent to
        EXPECT_TRUE(sent_here || !icmp_error_in(came)) << "from " << came.from.str();
    }
    EXPECT_EQ(client.receive(), (Datagram{service_, "marker"}));
}

// REQ-3 b and c: IP options in what is quoted are passed over, and its checksums of UDP are nobody's business.
TEST_P(Icmp, AnErrorMayQuoteOptionsAndAWrongChecksum) {
    const UdpSocket backend(backend_host_, backend_);
    const Capture capture(client_host_);
    for (const bool options : {true, false}) {
        if (options && !v4()) continue;
        SCOPED_TRACE(options ? "options" : "checksum");
        const Fd client = ask("question");
        const auto asked = backend.receive();
        ASSERT_TRUE(asked);
        std::string quoted = udp_packet(asked->from, backend_, "question");
        if (options) {
            quoted[0] = 0x47;  // a header of seven words, no longer five
            quoted[offsetof(iphdr, tot_len) + 1] = static_cast<char>(quoted.size() + 8);
            quoted.insert(sizeof(iphdr), 8, '\1');  // "no operation"
        } else {
            quoted[(v4() ? sizeof(iphdr) : sizeof(ip6_hdr)) + offsetof(udphdr, check)] ^= 0x55;
        }
        const IcmpError error{v4() ? uint8_t{ICMP_DEST_UNREACH} : uint8_t{ICMP6_DST_UNREACH},
                              v4() ? uint8_t{ICMP_PORT_UNREACH} : uint8_t{ICMP6_DST_UNREACH_NOPORT}, 0,
                              read_packet(quoted)};
        send_packet(backend_host_, icmp_packet(backend_.ip, asked->from.ip, error));
        EXPECT_STREQ(strerror(error_of(client)), strerror(ECONNREFUSED));
        if (!is_local()) expect_error(capture, client, error.type, error.code);
    }
}

// RFC 5508 REQ-4: about an answer on its way to the client, from a router there, say (RFC 4787 REQ-12a). One about a
// flow that nobody knows goes nowhere.
TEST_P(IcmpForwarded, AnErrorAboutAnAnswerReachesTheBackend) {
    const UdpSocket client(client_host_, client_);
    const UdpSocket backend(backend_host_, backend_);
    const Endpoint seen = exchange(client, service_, backend);
    const Capture capture(backend_host_);
    const bool outside = client_.ip == at(GetParam().seen).ip;
    const Ip router =
        v4() ? at(outside ? "1.0.0.200" : "10.0.0.200").ip : at(outside ? "2001:db8::200" : "fd00::200").ip;
    const Endpoint unknown{client_.ip, static_cast<uint16_t>(client.local().port ^ 1)};
    for (IcmpError error : icmp_errors(client_.ip.family())) {
        SCOPED_TRACE(testing::Message() << "type " << int{error.type} << " code " << int{error.code});
        for (const Endpoint& to : {unknown, client.local()}) {
            error.quoted = read_packet(udp_packet(service_, to, "answer"));
            send_packet(client_host_, icmp_packet(router, service_.ip, error));
        }
        const auto packet = capture.next([](const Packet& p) { return icmp_error_in(p).has_value(); });
        ASSERT_TRUE(packet);
        const IcmpError came = *icmp_error_in(*packet);
        EXPECT_EQ(packet->from.ip.str(), (outside ? router : service_.ip).str());
        EXPECT_EQ(packet->to.ip.str(), backend_.ip.str());
        EXPECT_EQ(int{came.type}, int{error.type});
        EXPECT_EQ(int{came.code}, int{error.code});
        EXPECT_EQ(came.mtu, error.mtu);
        EXPECT_EQ(came.quoted.from.str(), backend_.str());
        EXPECT_EQ(came.quoted.to.str(), seen.str());
    }
    EXPECT_EQ(exchange(client, service_, backend).str(), seen.str());
}

INSTANTIATE_TEST_SUITE_P(Every, Icmp,
                         testing::ValuesIn(on_kernel_engines({external_v4, peer_v4, self_v4, local_v4, external_v6,
                                                              peer_v6, self_v6, local_v6})),
                         name_of_engine_place);
INSTANTIATE_TEST_SUITE_P(Every, IcmpForwarded,
                         testing::ValuesIn(on_kernel_engines({external_v4, peer_v4, self_v4, external_v6, peer_v6,
                                                              self_v6})),
                         name_of_engine_place);
// What the kernel says of a packet by tc to a client outside is about a flow that it never saw.
std::vector<EnginePlace> told_of_the_dead() {
    auto all = on_kernel_engines({external_v4, peer_v4, local_v4, external_v6, peer_v6, local_v6});
    std::erase_if(all, [](const EnginePlace& place) {
        return is_bpf(place.engine) && std::string_view(place.name).starts_with("external");
    });
    return all;
}
INSTANTIATE_TEST_SUITE_P(Every, IcmpDead, testing::ValuesIn(told_of_the_dead()), name_of_engine_place);

}  // namespace
}  // namespace hairpin
