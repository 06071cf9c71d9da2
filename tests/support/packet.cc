#include "support/packet.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "net/sockaddr.h"
#include "support/room.h"

namespace hairpin {
namespace {

template <class Header>
std::string bytes_of(const Header& header) {
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

// Zeros where the bytes end before.
template <class Header>
Header header_in(std::string_view bytes) {
    Header header{};
    memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof header));
    return header;
}

constexpr uint16_t ece_and_cwr = 3;  // what tcphdr knows as res2

Ip ip_in(const in6_addr& address) { return Ip::from_network(std::span<const uint8_t, 16>(address.s6_addr)); }

uint32_t sum_of(std::string_view bytes) {
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        const uint32_t byte = static_cast<uint8_t>(bytes[i]);
        sum += i % 2 == 0 ? byte << 8 : byte;
    }
    return sum;
}

std::string_view text_of(std::span<const uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint16_t folded(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

// RFC 1071; over the pseudo-header too, which ICMP of IPv4 has not.
uint16_t sum_with_pseudo_header(std::string_view content, int protocol, const Ip& from, const Ip& to) {
    uint32_t sum = sum_of(content);
    if (protocol != IPPROTO_ICMP) {
        sum += sum_of(text_of(from.network_bytes())) + sum_of(text_of(to.network_bytes())) +
               static_cast<uint32_t>(protocol) + static_cast<uint32_t>(content.size());
    }
    return folded(sum);
}

// It goes to `at`, where zeros were.
void fill_checksum(std::string& content, int protocol, const Ip& from, const Ip& to, size_t at) {
    const uint16_t sum = sum_with_pseudo_header(content, protocol, from, to);
    uint16_t checksum = htons(static_cast<uint16_t>(~sum));
    if (checksum == 0 && protocol == IPPROTO_UDP) checksum = 0xffff;  // 0: none (RFC 768)
    memcpy(content.data() + at, &checksum, sizeof checksum);
}

std::string ip_packet(int protocol, const Ip& from, const Ip& to, const std::string& content, const IpFields& fields) {
    if (from.is_v4()) {
        iphdr header{};  // the kernel fills in the checksum
        header.version = 4;
        header.ihl = 5;
        header.tos = fields.traffic_class;
        header.tot_len = htons(static_cast<uint16_t>(sizeof header + content.size()));
        header.id = htons(fields.id);
        header.frag_off = htons(fields.dont_fragment ? IP_DF : 0);
        header.ttl = fields.hop_limit;
        header.protocol = static_cast<uint8_t>(protocol);
        header.saddr = htonl(from.v4_bits());
        header.daddr = htonl(to.v4_bits());
        return bytes_of(header) + content;
    }
    ip6_hdr header{};
    header.ip6_flow = htonl(6U << 28 | uint32_t{fields.traffic_class} << 20);
    header.ip6_plen = htons(static_cast<uint16_t>(content.size()));
    header.ip6_nxt = static_cast<uint8_t>(protocol);
    header.ip6_hlim = fields.hop_limit;
    std::ranges::copy(from.bytes(), header.ip6_src.s6_addr);
    std::ranges::copy(to.bytes(), header.ip6_dst.s6_addr);
    return bytes_of(header) + content;
}

}  // namespace

Packet read_packet(std::string bytes) {
    Packet packet;
    if (header_in<iphdr>(bytes).version == 4) {
        const auto header = header_in<iphdr>(bytes);
        packet.protocol = header.protocol;
        packet.from.ip = Ip::v4(ntohl(header.saddr));
        packet.to.ip = Ip::v4(ntohl(header.daddr));
        packet.hop_limit = header.ttl;
        packet.traffic_class = header.tos;
        packet.id = ntohs(header.id);
        packet.dont_fragment = (ntohs(header.frag_off) & IP_DF) != 0;
        if (bytes.size() > header.ihl * 4U) packet.content = bytes.substr(header.ihl * 4U);
    } else {
        const auto header = header_in<ip6_hdr>(bytes);
        packet.protocol = header.ip6_nxt;
        packet.from.ip = ip_in(header.ip6_src);
        packet.to.ip = ip_in(header.ip6_dst);
        packet.hop_limit = header.ip6_hlim;
        packet.traffic_class = static_cast<uint8_t>(ntohl(header.ip6_flow) >> 20);
        if (bytes.size() > sizeof header) packet.content = bytes.substr(sizeof header);
    }
    if (packet.protocol == IPPROTO_UDP || packet.protocol == IPPROTO_TCP) {
        const auto ports = header_in<udphdr>(packet.content);  // TCP begins with the same
        packet.from.port = ntohs(ports.source);
        packet.to.port = ntohs(ports.dest);
    }
    packet.bytes = std::move(bytes);
    return packet;
}

std::string Packet::payload() const {
    const size_t header = protocol == IPPROTO_UDP ? sizeof(udphdr) : header_in<tcphdr>(content).doff * size_t{4};
    return content.size() > header ? content.substr(header) : std::string();
}

TcpFields Packet::tcp() const {
    const auto header = header_in<tcphdr>(content);
    TcpFields fields{.sequence = ntohl(header.seq), .window = ntohs(header.window)};
    if (header.ack) fields.acknowledged = ntohl(header.ack_seq);
    fields.syn = header.syn;
    fields.rst = header.rst;
    fields.ecn_setup = header.res2 == ece_and_cwr;
    return fields;
}

std::optional<IcmpError> icmp_error_in(const Packet& packet) {
    const bool v4 = packet.protocol == IPPROTO_ICMP;
    if (!v4 && packet.protocol != IPPROTO_ICMPV6) return std::nullopt;
    const auto header = header_in<icmp6_hdr>(packet.content);  // ICMP of IPv4 begins with the same
    const bool is_error = v4 ? header.icmp6_type == ICMP_DEST_UNREACH || header.icmp6_type == ICMP_TIME_EXCEEDED ||
                                   header.icmp6_type == ICMP_PARAMETERPROB
                             : header.icmp6_type < ICMP6_INFOMSG_MASK;
    if (!is_error) return std::nullopt;
    IcmpError error{header.icmp6_type, header.icmp6_code, ntohl(header.icmp6_mtu), {}};
    error.quoted = read_packet(packet.content.substr(sizeof header));
    return error;
}

std::vector<IcmpError> icmp_errors(Family family) {
    constexpr uint32_t mtu = 1300;
    if (family == Family::v4) {
        return {{ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0, {}},   {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, {}},
                {ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0, {}},  {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, {}},
                {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu, {}}, {ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0, {}},
                {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, {}},      {ICMP_PARAMETERPROB, 0, 0, {}}};
    }
    return {{ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, 0, {}},
            {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, 0, {}},
            {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, 0, {}},
            {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 0, {}},
            {ICMP6_PACKET_TOO_BIG, 0, mtu, {}},
            {ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 0, {}},
            {ICMP6_PARAM_PROB, ICMP6_PARAMPROB_HEADER, 0, {}}};
}

std::string udp_packet(const Endpoint& from, const Endpoint& to, std::string_view payload, IpFields fields) {
    udphdr header{};
    header.source = htons(from.port);
    header.dest = htons(to.port);
    header.len = htons(static_cast<uint16_t>(sizeof header + payload.size()));
    std::string content = bytes_of(header).append(payload);
    fill_checksum(content, IPPROTO_UDP, from.ip, to.ip, offsetof(udphdr, check));
    return ip_packet(IPPROTO_UDP, from.ip, to.ip, content, fields);
}

std::string tcp_packet(const Endpoint& from, const Endpoint& to, const TcpFields& fields, std::string_view payload) {
    tcphdr header{};
    header.source = htons(from.port);
    header.dest = htons(to.port);
    header.seq = htonl(fields.sequence);
    header.ack_seq = htonl(fields.acknowledged.value_or(0));
    header.doff = sizeof header / 4;
    header.ack = fields.acknowledged.has_value();
    header.syn = fields.syn;
    header.rst = fields.rst;
    header.res2 = fields.ecn_setup ? ece_and_cwr : 0;
    header.psh = !payload.empty();
    header.window = htons(fields.window);
    std::string content = bytes_of(header).append(payload);
    fill_checksum(content, IPPROTO_TCP, from.ip, to.ip, offsetof(tcphdr, check));
    return ip_packet(IPPROTO_TCP, from.ip, to.ip, content, {});
}

std::string icmp_packet(const Ip& from, const Ip& to, const IcmpError& error) {
    icmp6_hdr header{};  // ICMP of IPv4 begins with the same
    header.icmp6_type = error.type;
    header.icmp6_code = error.code;
    header.icmp6_mtu = htonl(error.mtu);
    const size_t enough = 500;  // RFC 1812 4.3.2.3: no error is longer than 576 bytes
    std::string content = bytes_of(header).append(error.quoted.bytes.substr(0, enough));
    const int protocol = from.is_v4() ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    fill_checksum(content, protocol, from, to, offsetof(icmp6_hdr, icmp6_cksum));
    return ip_packet(protocol, from, to, content, {});
}

std::string with_header_checksum(std::string packet) {
    auto header = header_in<iphdr>(packet);
    if (header.version != 4) return packet;
    header.check = 0;
    header.check = htons(static_cast<uint16_t>(~folded(sum_of(bytes_of(header)))));
    return packet.replace(0, sizeof header, bytes_of(header));
}

bool has_right_checksums(const Packet& packet) {
    const bool v4 = packet.from.ip.is_v4();
    const std::string_view header(packet.bytes.data(), packet.bytes.size() - packet.content.size());
    if (v4 && folded(sum_of(header)) != 0xffff) return false;
    if (packet.protocol == IPPROTO_UDP && header_in<udphdr>(packet.content).check == 0) return false;  // none
    return sum_with_pseudo_header(packet.content, packet.protocol, packet.from.ip, packet.to.ip) == 0xffff;
}

namespace {

std::string fragment_v4(iphdr header, size_t at, const std::string& piece, bool more, uint16_t id) {
    header.id = htons(id);
    header.frag_off = htons(static_cast<uint16_t>(at / 8 | (more ? IP_MF : 0)));
    header.tot_len = htons(static_cast<uint16_t>(sizeof header + piece.size()));
    return with_header_checksum(bytes_of(header) + piece);
}

std::string fragment_v6(ip6_hdr header, size_t at, const std::string& piece, bool more, uint16_t id) {
    ip6_frag fragment{};
    fragment.ip6f_nxt = header.ip6_nxt;
    fragment.ip6f_offlg = htons(static_cast<uint16_t>(at | (more ? 1 : 0)));
    fragment.ip6f_ident = htonl(id);
    header.ip6_nxt = IPPROTO_FRAGMENT;
    header.ip6_plen = htons(static_cast<uint16_t>(sizeof fragment + piece.size()));
    return bytes_of(header) + bytes_of(fragment) + piece;
}

}  // namespace

std::vector<std::string> fragments_of(const std::string& packet, size_t size, uint16_t id) {
    const bool v4 = read_packet(packet).to.ip.is_v4();
    const std::string content = packet.substr(v4 ? sizeof(iphdr) : sizeof(ip6_hdr));
    std::vector<std::string> fragments;
    for (size_t at = 0; at < content.size(); at += size) {
        const std::string piece = content.substr(at, size);
        const bool more = at + size < content.size();
        fragments.push_back(v4 ? fragment_v4(header_in<iphdr>(packet), at, piece, more, id)
                               : fragment_v6(header_in<ip6_hdr>(packet), at, piece, more, id));
    }
    return fragments;
}

PacketSender::PacketSender(const lab::Host& host, Family family)
    : socket_(host.run(
          [&] { return socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW); })) {}

void PacketSender::send(const std::string& packet) const {
    const SockAddr to(Endpoint{read_packet(packet).to.ip, 0});
    EXPECT_EQ(sendto(socket_.get(), packet.data(), packet.size(), 0, to.get(), to.size()),
              static_cast<ssize_t>(packet.size()))
        << strerror(errno);
}

void send_packet(const lab::Host& host, const std::string& packet) {
    PacketSender(host, read_packet(packet).to.ip.family()).send(packet);
}

Capture::Capture(const lab::Host& host)
    : socket_(host.run([] { return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)); })) {
    const int on = 1;
    EXPECT_EQ(setsockopt(socket_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0) << strerror(errno);
    EXPECT_TRUE(make_room(socket_.get(), 32 << 20)) << strerror(errno);
}

std::optional<Packet> Capture::next(const Condition& is_wanted) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd ready{socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) != 1) return std::nullopt;
        std::array<char, 1 << 17> buffer;
        sockaddr_ll from{};
        socklen_t length = sizeof from;
        const ssize_t size =
            recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
        const bool is_ip = from.sll_protocol == htons(ETH_P_IP) || from.sll_protocol == htons(ETH_P_IPV6);
        if (size <= 0 || !is_ip) continue;
        Packet packet = read_packet({buffer.data(), static_cast<size_t>(size)});
        if (is_wanted(packet)) return packet;
    }
}

std::vector<Packet> Capture::until(const Condition& is_marker) const {
    std::vector<Packet> before;
    const auto marker = next([&](const Packet& packet) {
        const bool found = is_marker(packet);
        if (!found) before.push_back(packet);
        return found;
    });
    EXPECT_TRUE(marker) << "the marker did not come; before it were " << before.size() << " packets";
    return before;
}

}  // namespace hairpin
