// Packets by hand: what no socket sends, such as forged addresses, and what no socket shows, such as ICMP errors whole.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/test_lab.h"

namespace hairpin {

struct TcpFields {
    uint32_t sequence = 0;
    std::optional<uint32_t> acknowledged{};  // none: a segment without ACK
    bool syn = false;
    bool rst = false;
    bool ecn_setup = false;  // ECE and CWR, RFC 3168 6.1.1
    uint16_t window = 1000;
};

// An IPv4 or IPv6 packet, read as far as tests look.
struct Packet {
    std::string bytes;          // all of it, from the IP header on
    uint8_t protocol = 0;       // IPPROTO_UDP, ...; of IPv6 the first header
    Endpoint from, to;          // port 0 where it has none
    uint8_t hop_limit = 0;      // or time to live
    uint8_t traffic_class = 0;  // DSCP and ECN
    uint16_t id = 0;            // of IPv4: what its fragments have in common
    bool dont_fragment = false;
    std::string content;  // behind the IP header

    std::string payload() const;  // of UDP and TCP
    TcpFields tcp() const;
};
Packet read_packet(std::string bytes);

// An ICMP error: RFC 792, RFC 4443.
struct IcmpError {
    uint8_t type = 0;
    uint8_t code = 0;
    uint32_t mtu = 0;  // that of "fragmentation needed" and "packet too big"
    Packet quoted;     // as much of it as came along
};
std::optional<IcmpError> icmp_error_in(const Packet& packet);
// One of each kind that hosts and routers send of a family; they quote nothing yet.
std::vector<IcmpError> icmp_errors(Family family);

struct IpFields {
    uint8_t hop_limit = 64;
    uint8_t traffic_class = 0;
    uint16_t id = 0;  // of IPv4; 0: the sending host's choice
    bool dont_fragment = false;
};
std::string udp_packet(const Endpoint& from, const Endpoint& to, std::string_view payload, IpFields fields = {});
std::string tcp_packet(const Endpoint& from, const Endpoint& to, const TcpFields& fields,
                       std::string_view payload = {});
std::string icmp_packet(const Ip& from, const Ip& to, const IcmpError& error);
// Puts the right checksum into an IPv4 header; of IPv6, which has none, it is the packet itself.
std::string with_header_checksum(std::string packet);
// Whether the checksums of an IPv4 header, and of UDP, TCP, ICMP or ICMPv6 behind it, are there and right (RFC 1071).
// Precondition: it is whole, and over IPv6 has no extension header.
bool has_right_checksums(const Packet& packet);
// The pieces of an IPv4 packet, each with `size` bytes, a multiple of 8.
std::vector<std::string> fragments_of(const std::string& packet, size_t size, uint16_t id);

// Sends packets as they are, whatever their source says, the way that the host's routes lead.
class PacketSender {
public:
    PacketSender(const lab::Host& host, Family family);

    void send(const std::string& packet) const;

private:
    Fd socket_;
};
void send_packet(const lab::Host& host, const std::string& packet);  // a single one

// What arrives at a host from now on, before the host itself has judged it.
class Capture {
public:
    explicit Capture(const lab::Host& host);

    using Condition = std::function<bool(const Packet&)>;
    // The next that is wanted; all before it are dropped.
    std::optional<Packet> next(const Condition& is_wanted) const;
    // All that came before the marker. The test fails where that does not come.
    std::vector<Packet> until(const Condition& is_marker) const;

private:
    Fd socket_;
};

}  // namespace hairpin
