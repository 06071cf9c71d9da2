// PROXY protocol headers: the specification's rules, what deployed receivers get wrong, and every way to be cut short.
#include "engines/proxy/proxy_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace hairpin {

// For messages of gtest.
void PrintTo(const ProxyAddresses& addresses, std::ostream* out) {
    *out << addresses.source.str() << " -> " << addresses.destination.str();
}

namespace {

using namespace std::string_literals;
using Status = ProxyParse::Status;

Endpoint endpoint(std::string_view ip, uint16_t port) { return {Ip::parse(ip).value(), port}; }

const ProxyAddresses v4{endpoint("10.0.0.2", 40000), endpoint("1.0.0.1", 1234)};
const ProxyAddresses v6{endpoint("2001:db8::2", 40000), endpoint("2001:db8::1", 1234)};
const ProxyAddresses mixed{endpoint("10.0.0.2", 40000), endpoint("2001:db8::1", 1234)};
const ProxyAddresses longest{endpoint("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
                             endpoint("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535)};

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    }
    return bytes;
}

std::string u16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

// A v2 header from its parts; its length field tells the truth.
std::string v2_header(int version_and_command, int family_and_transport, const std::string& rest) {
    return from_hex("0d0a0d0a000d0a515549540a") + static_cast<char>(version_and_command) +
           static_cast<char>(family_and_transport) + u16(rest.size()) + rest;
}

std::string tlv(int type, const std::string& value) { return static_cast<char>(type) + u16(value.size()) + value; }

const std::string v4_block = from_hex("0a000002010000019c4004d2");
const std::string v6_block = from_hex("20010db800000000000000000000000220010db80000000000000000000000019c4004d2");
const std::string good_crc = from_hex("0300042087d37f");  // of v2 TCP4 with v4_block

// From an allocation of exactly that size, so that the sanitizer sees any byte read beyond it.
ProxyParse parse(std::string_view text, Protocol protocol = Protocol::tcp) {
    const auto bytes = std::make_unique<uint8_t[]>(text.size());
    std::ranges::copy(text, bytes.get());
    return parse_proxy_header({bytes.get(), text.size()}, protocol);
}

std::string write(ProxyHeader version, Protocol protocol, const ProxyAddresses& addresses) {
    std::array<uint8_t, proxy_header_space> space{};
    const auto header = write_proxy_header(version, protocol, addresses, space);
    return {header.begin(), header.end()};
}

// How far apart to cut a header: everywhere, but in the long ones.
size_t step(const std::string& header) { return 1 + header.size() / 1000; }

struct Valid {
    std::string name;
    std::string header;
    std::optional<ProxyAddresses> addresses;
    Protocol protocol = Protocol::tcp;
};

std::vector<Valid> valid_headers() {
    const std::string unix_block(216, 'u');
    return {
        {"v1 TCP4", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\r\n", v4},
        {"v1 TCP6", "PROXY TCP6 2001:db8::2 2001:db8::1 40000 1234\r\n", v6},
        {"v1 TCP6, capitals and all groups", "PROXY TCP6 2001:0DB8:0:0:0:0:0:2 2001:DB8::1 40000 1234\r\n", v6},
        {"v1 TCP6, one address v4-mapped", "PROXY TCP6 ::ffff:10.0.0.2 2001:db8::1 40000 1234\r\n", mixed},
        {"v1 lowest values", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
         ProxyAddresses{endpoint("0.0.0.0", 0), endpoint("0.0.0.0", 0)}},
        {"v1 TCP4, longest", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
         ProxyAddresses{endpoint("255.255.255.255", 65535), endpoint("255.255.255.255", 65535)}},
        {"v1 TCP6, longest",
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         longest},
        {"v1 UNKNOWN", "PROXY UNKNOWN\r\n", {}},
        {"v1 UNKNOWN with a space", "PROXY UNKNOWN \r\n", {}},
        {"v1 UNKNOWN, longest",
         "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
         "65535\r\n",
         {}},
        {"v1 UNKNOWN with anything", "PROXY UNKNOWN \x01  \xff not an address"s + '\0' + "\r\n", {}},
        {"v1 UNKNOWN of UDP", "PROXY UNKNOWN\r\n", {}, Protocol::udp},
        {"v1 TCP4 in a datagram", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\r\n", {}, Protocol::udp},

        {"v2 TCP4", v2_header(0x21, 0x11, v4_block), v4},
        {"v2 UDP4", v2_header(0x21, 0x12, v4_block), v4, Protocol::udp},
        {"v2 TCP6", v2_header(0x21, 0x21, v6_block), v6},
        {"v2 UDP6", v2_header(0x21, 0x22, v6_block), v6, Protocol::udp},
        {"v2 LOCAL", v2_header(0x20, 0x00, ""), {}},
        {"v2 LOCAL of UDP", v2_header(0x20, 0x00, ""), {}, Protocol::udp},
        {"v2 LOCAL with addresses", v2_header(0x20, 0x11, v4_block), {}},
        {"v2 LOCAL with junk", v2_header(0x20, 0x11, "7 bytes"), {}},
        {"v2 LOCAL of a family to be ignored", v2_header(0x20, 0x4f, "junk"), {}},
        {"v2 UNSPEC", v2_header(0x21, 0x00, ""), {}},
        {"v2 UNSPEC with 20 bytes", v2_header(0x21, 0x00, std::string(20, 'x')), {}},
        {"v2 family without transport", v2_header(0x21, 0x10, v4_block), {}},
        {"v2 transport without family", v2_header(0x21, 0x01, ""), {}},
        {"v2 UDP4 over TCP", v2_header(0x21, 0x12, v4_block), {}},
        {"v2 TCP4 over UDP", v2_header(0x21, 0x11, v4_block), {}, Protocol::udp},
        {"v2 UNIX stream", v2_header(0x21, 0x31, unix_block), {}},
        {"v2 UNIX datagram with a TLV", v2_header(0x21, 0x32, unix_block + tlv(4, "")), {}},
        {"v2 NOOP TLV", v2_header(0x21, 0x11, v4_block + tlv(4, "ignored")), v4},
        {"v2 zero-length TLV", v2_header(0x21, 0x11, v4_block + tlv(4, "")), v4},
        {"v2 several TLVs, one unknown", v2_header(0x21, 0x21, v6_block + tlv(1, "h2") + tlv(0xee, "?") + tlv(5, "id")),
         v6},
        {"v2 500 byte TLV", v2_header(0x21, 0x11, v4_block + tlv(4, std::string(500, 'x'))), v4},
        {"v2 4000 byte TLV", v2_header(0x21, 0x11, v4_block + tlv(4, std::string(4000, 'x'))), v4},
        {"v2 longest that we take",
         v2_header(0x21, 0x11, v4_block + tlv(4, std::string(max_proxy_header - 16 - 12 - 3, 'x'))), v4},
        {"v2 CRC32C", v2_header(0x21, 0x11, v4_block + good_crc), v4},
    };
}

TEST(ProxyProtocol, accepts_every_valid_header_and_leaves_the_payload) {
    for (const auto& [name, header, addresses, protocol] : valid_headers()) {
        for (const std::string payload : {"", "\r\n", "PROXY UNKNOWN\r\n"}) {
            const auto parsed = parse(header + payload, protocol);
            EXPECT_EQ(parsed.status, Status::complete) << name << ": " << parsed.error;
            EXPECT_EQ(parsed.size, header.size()) << name;
            EXPECT_EQ(parsed.addresses, addresses) << name;
        }
    }
}

TEST(ProxyProtocol, waits_for_the_last_byte_of_a_stream) {
    for (const auto& [name, header, addresses, protocol] : valid_headers()) {
        if (protocol != Protocol::tcp) continue;
        for (size_t size = 0; size < header.size(); size += step(header)) {
            const auto parsed = parse(std::string_view(header).substr(0, size));
            ASSERT_EQ(parsed.status, Status::incomplete) << name << " cut to " << size << ": " << parsed.error;
            ASSERT_GT(parsed.size, size) << name;
            ASSERT_LE(parsed.size, header.size()) << name << " cut to " << size << ": asks for payload";
        }
    }
}

TEST(ProxyProtocol, refuses_a_datagram_that_ends_within_its_header) {
    for (const auto& [name, header, addresses, protocol] : valid_headers()) {
        for (size_t size = 0; size < header.size(); size += step(header)) {
            const auto parsed = parse(std::string_view(header).substr(0, size), Protocol::udp);
            ASSERT_EQ(parsed.status, Status::invalid) << name << " cut to " << size;
        }
    }
}

struct Invalid {
    std::string name;
    std::string bytes;
};

std::vector<Invalid> invalid_headers() {
    const std::string v2_tcp4_head = v2_header(0x21, 0x11, "").substr(0, 14);
    const std::string v2_local_head = v2_header(0x20, 0x00, "").substr(0, 14);
    std::string bad_crc = good_crc;
    bad_crc.back() ^= 1;
    return {
        {"no header", "GET / HTTP/1.1\r\n"},
        {"another word", "PROXIED"},
        {"lower case", "proxy tcp4 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"lower case protocol", "PROXY tcp4 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 nothing behind PROXY", "PROXY\r\n"},
        {"v1 no protocol", "PROXY \r\n"},
        {"v1 UDP4", "PROXY UDP4 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 TCP", "PROXY TCP 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 UNKNOWN run together", "PROXY UNKNOWN1\r\n"},
        {"v1 LF only", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\n"},
        {"v1 CR only", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\rX"},
        {"v1 two CRs", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\r\r\n"},
        {"v1 UNKNOWN, LF only", "PROXY UNKNOWN\npayload\r\n"},
        {"v1 UNKNOWN, LF within", "PROXY UNKNOWN a\nb\r\n"},
        {"v1 UNKNOWN, CR within", "PROXY UNKNOWN a\rb\r\n"},
        {"v1 two spaces before the protocol", "PROXY  TCP4 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 two spaces before an address", "PROXY TCP4  10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 two spaces before a port", "PROXY TCP4 10.0.0.2 1.0.0.1  40000 1234\r\n"},
        {"v1 tab", "PROXY TCP4 10.0.0.2\t1.0.0.1 40000 1234\r\n"},
        {"v1 space at the end", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234 \r\n"},
        {"v1 trailing junk", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234 junk\r\n"},
        {"v1 missing port", "PROXY TCP4 10.0.0.2 1.0.0.1 40000\r\n"},
        {"v1 empty port", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 \r\n"},
        {"v1 missing ports", "PROXY TCP4 10.0.0.2 1.0.0.1\r\n"},
        {"v1 missing address", "PROXY TCP4 10.0.0.2\r\n"},
        {"v1 nothing behind TCP4", "PROXY TCP4\r\n"},
        {"v1 negative port", "PROXY TCP4 10.0.0.2 1.0.0.1 -1 1234\r\n"},
        {"v1 signed port", "PROXY TCP4 10.0.0.2 1.0.0.1 +1 1234\r\n"},
        {"v1 source port 65536", "PROXY TCP4 10.0.0.2 1.0.0.1 65536 1234\r\n"},
        {"v1 destination port 65536", "PROXY TCP4 10.0.0.2 1.0.0.1 40000 65536\r\n"},
        {"v1 port beyond 64 bits", "PROXY TCP4 10.0.0.2 1.0.0.1 18446744073709591616 1234\r\n"},
        {"v1 hexadecimal port", "PROXY TCP4 10.0.0.2 1.0.0.1 0x50 1234\r\n"},
        {"v1 port with leading zero", "PROXY TCP4 10.0.0.2 1.0.0.1 040000 1234\r\n"},
        {"v1 port 00", "PROXY TCP4 10.0.0.2 1.0.0.1 00 1234\r\n"},
        {"v1 address with leading zero", "PROXY TCP4 10.0.0.02 1.0.0.1 40000 1234\r\n"},
        {"v1 256.0.0.2", "PROXY TCP4 256.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 three numbers", "PROXY TCP4 10.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 five numbers", "PROXY TCP4 10.0.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 address with a port", "PROXY TCP4 10.0.0.2:1 1.0.0.1 40000 1234\r\n"},
        {"v1 NUL within an address", "PROXY TCP4 10.0.0.2"s + '\0' + " 1.0.0.1 40000 1234\r\n"},
        {"v1 TCP4 with IPv6", "PROXY TCP4 2001:db8::2 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP4 with one IPv6", "PROXY TCP4 10.0.0.2 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP4 with a v4-mapped address", "PROXY TCP4 ::ffff:10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 TCP6 with IPv4", "PROXY TCP6 10.0.0.2 1.0.0.1 40000 1234\r\n"},
        {"v1 TCP6 with two gaps", "PROXY TCP6 2001::db8::2 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP6 with nine groups", "PROXY TCP6 1:2:3:4:5:6:7:8:9 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP6 with seven groups", "PROXY TCP6 1:2:3:4:5:6:7 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP6 with five digits", "PROXY TCP6 2001:0db80::2 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP6 with a zone", "PROXY TCP6 fe80::1%lo 2001:db8::1 40000 1234\r\n"},
        {"v1 TCP6 in brackets", "PROXY TCP6 [2001:db8::2] 2001:db8::1 40000 1234\r\n"},
        {"v1 UNKNOWN, one byte too long", "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n"},
        {"v1 UNKNOWN, 120 bytes before CRLF", "PROXY UNKNOWN " + std::string(106, 'x') + "\r\n"},
        {"v1 UNKNOWN, no end in sight", "PROXY UNKNOWN " + std::string(93, 'x')},
        {"v1 TCP4, no end in sight", "PROXY TCP4 " + std::string(96, '1')},

        {"v2 bad signature", from_hex("0d0a0d0a000d0a515549540b2111000c") + v4_block},
        {"v2 signature without NUL", from_hex("0d0a0d0a0d0a")},
        {"v2 version 1", v2_header(0x11, 0x11, v4_block)},
        {"v2 version 3", v2_header(0x31, 0x11, v4_block)},
        {"v2 command 2", v2_header(0x22, 0x11, v4_block)},
        {"v2 command 15", v2_header(0x2f, 0x11, v4_block)},
        {"v2 family 4", v2_header(0x21, 0x41, v4_block)},
        {"v2 transport 3", v2_header(0x21, 0x13, v4_block)},
        {"v2 no address block", v2_header(0x21, 0x11, "")},
        {"v2 short IPv4 block", v2_header(0x21, 0x11, v4_block.substr(1))},
        {"v2 short IPv6 block", v2_header(0x21, 0x21, v6_block.substr(1))},
        {"v2 short UNIX block", v2_header(0x21, 0x31, std::string(215, 'u'))},
        {"v2 short block of the other transport", v2_header(0x21, 0x12, v4_block.substr(1))},
        {"v2 one byte for a TLV", v2_header(0x21, 0x11, v4_block + "\x04")},
        {"v2 two bytes for a TLV", v2_header(0x21, 0x11, v4_block + "\x04"s + '\0')},
        {"v2 TLV overruns", v2_header(0x21, 0x11, v4_block + "\x04" + u16(3) + "xx") + "payload"},
        {"v2 second TLV overruns", v2_header(0x21, 0x11, v4_block + tlv(4, "") + "\x04" + u16(65535))},
        {"v2 bad CRC32C", v2_header(0x21, 0x11, v4_block + bad_crc)},
        {"v2 CRC32C of another header", v2_header(0x21, 0x11, v4_block + tlv(4, "") + good_crc)},
        {"v2 CRC32C of five bytes", v2_header(0x21, 0x11, v4_block + tlv(3, "12345"))},
        {"v2 two CRC32Cs, the last one right",
         v2_header(0x21, 0x11, v4_block + from_hex("03000400000000030004385ea036"))},
        {"v2 longer than we take", v2_tcp4_head + u16(max_proxy_header - 15) + v4_block},
        {"v2 LOCAL longer than we take", v2_local_head + u16(65535)},
    };
}

TEST(ProxyProtocol, refuses_every_invalid_header) {
    for (const auto& [name, bytes] : invalid_headers()) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            const auto parsed = parse(bytes, protocol);
            EXPECT_EQ(parsed.status, Status::invalid) << name;
            EXPECT_FALSE(parsed.error.empty()) << name;
        }
    }
}

// Once invalid, more bytes change nothing; complete never comes before; and nobody is asked to wait beyond the maximum.
TEST(ProxyProtocol, refuses_invalid_headers_byte_by_byte_too) {
    for (const auto& [name, bytes] : invalid_headers()) {
        Status last = Status::incomplete;
        for (size_t size = 0; size <= bytes.size(); ++size) {
            const auto parsed = parse(std::string_view(bytes).substr(0, size));
            ASSERT_NE(parsed.status, Status::complete) << name << " cut to " << size;
            ASSERT_LE(parsed.size, max_proxy_header) << name << " cut to " << size;
            ASSERT_FALSE(last == Status::invalid && parsed.status != Status::invalid) << name << " cut to " << size;
            last = parsed.status;
        }
        EXPECT_EQ(last, Status::invalid) << name;
    }
}

TEST(ProxyProtocol, does_not_wait_for_what_cannot_become_valid) {
    const std::string v2_tcp4_head = v2_header(0x21, 0x11, "").substr(0, 14);
    const std::vector<std::string> beginnings = {
        "G",
        "PROXX",
        "PROXY U1",
        "PROXY TCP5",
        "PROXY TCP4 h",
        "PROXY TCP4 256.0.0.2 ",
        "PROXY TCP4 10.0.0.2 1.0.0.1 00",
        "PROXY TCP4 10.0.0.2 1.0.0.1 65536",
        "PROXY TCP4 10.0.0.2 1.0.0.1 1 2 ",
        "PROXY UNKNOWN\n",
        "\r\n\r\n\r",
        from_hex("0d0a0d0a000d0a515549540a31"),
        from_hex("0d0a0d0a000d0a515549540a2141"),
        v2_tcp4_head + u16(11),
        v2_tcp4_head + u16(max_proxy_header - 15),
        v2_tcp4_head + u16(20) + v4_block + "\x04" + u16(6),
    };
    for (const auto& bytes : beginnings) EXPECT_EQ(parse(bytes).status, Status::invalid) << bytes;
}

TEST(ProxyProtocol, says_how_much_of_a_v2_header_is_to_come) {
    const std::string header = v2_header(0x21, 0x21, v6_block + tlv(4, "four"));
    EXPECT_EQ(parse(header.substr(0, 1)).size, 16u);
    EXPECT_EQ(parse(header.substr(0, 15)).size, 16u);
    EXPECT_EQ(parse(header.substr(0, 16)).size, header.size());
}

TEST(ProxyProtocol, writes_the_published_bytes) {
    EXPECT_EQ(write(ProxyHeader::v1, Protocol::tcp, v4), "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\r\n");
    EXPECT_EQ(write(ProxyHeader::v1, Protocol::tcp, v6), "PROXY TCP6 2001:db8::2 2001:db8::1 40000 1234\r\n");
    EXPECT_EQ(write(ProxyHeader::v2, Protocol::tcp, v4),
              from_hex("0d0a0d0a000d0a515549540a2111000c0a000002010000019c4004d2"));
    EXPECT_EQ(write(ProxyHeader::v2, Protocol::udp, v4),
              from_hex("0d0a0d0a000d0a515549540a2112000c0a000002010000019c4004d2"));
    EXPECT_EQ(write(ProxyHeader::v2, Protocol::tcp, v6),
              from_hex("0d0a0d0a000d0a515549540a2121002420010db800000000000000000000000220010db800000000000000000000"
                       "00019c4004d2"));
    EXPECT_EQ(write(ProxyHeader::v2, Protocol::udp, v6)[13], 0x22);
}

TEST(ProxyProtocol, writes_a_pair_of_mixed_families_as_IPv6) {
    EXPECT_EQ(write(ProxyHeader::v1, Protocol::tcp, mixed), "PROXY TCP6 ::ffff:10.0.0.2 2001:db8::1 40000 1234\r\n");
    EXPECT_EQ(write(ProxyHeader::v2, Protocol::tcp, mixed),
              from_hex("0d0a0d0a000d0a515549540a2121002400000000000000000000ffff0a00000220010db800000000000000000000"
                       "00019c4004d2"));
}

TEST(ProxyProtocol, writes_nothing_for_none_and_UNKNOWN_for_what_v1_cannot_say) {
    EXPECT_EQ(write(ProxyHeader::none, Protocol::tcp, v4), "");
    EXPECT_EQ(write(ProxyHeader::v1, Protocol::udp, v4), "PROXY UNKNOWN\r\n");
}

TEST(ProxyProtocol, reads_what_it_wrote) {
    for (const auto& addresses : {v4, v6, mixed, longest}) {
        for (const auto& [version, protocol] :
             {std::pair{ProxyHeader::v1, Protocol::tcp}, std::pair{ProxyHeader::v2, Protocol::tcp},
              std::pair{ProxyHeader::v2, Protocol::udp}}) {
            const std::string header = write(version, protocol, addresses);
            const auto parsed = parse(header, protocol);
            EXPECT_EQ(parsed.status, Status::complete) << parsed.error;
            EXPECT_EQ(parsed.size, header.size());
            EXPECT_EQ(parsed.addresses, addresses);
            EXPECT_LE(header.size(), 104u);
        }
    }
}

// The sanitizer is the judge of the reads; the promises about sizes are checked here.
TEST(ProxyProtocol, survives_mutation) {
    std::mt19937 random(20260427);
    const auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
    for (const auto& [name, header, addresses, protocol] : valid_headers()) {
        if (header.size() > 1000) continue;
        for (int round = 0; round < 500; ++round) {
            std::string bytes = header;
            for (size_t i = 0, n = 1 + below(3); i < n; ++i) bytes[below(bytes.size())] = static_cast<char>(below(256));
            bytes.resize(bytes.size() - below(4));
            const auto parsed = parse(bytes, protocol);
            const bool complete = parsed.status == Status::complete;
            ASSERT_TRUE(!complete || parsed.size <= bytes.size()) << name;
            const bool incomplete = parsed.status == Status::incomplete;
            ASSERT_TRUE(!incomplete || parsed.size > bytes.size()) << name;
            ASSERT_LE(parsed.size, max_proxy_header) << name;
        }
    }
}

}  // namespace
}  // namespace hairpin
