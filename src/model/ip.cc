#include "model/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "model/url.h"

namespace hairpin {
namespace {

constexpr std::array<uint8_t, 12> mapped_head = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int bits_of(Family family) { return family == Family::v4 ? 32 : 128; }

// Where a prefix of this family begins within the 128 bits of Ip.
int offset_of(Family family) { return 128 - bits_of(family); }

// The bits of byte `index` that lie within the first `length` bits.
uint8_t mask_at(size_t index, int length) {
    const int bits = std::clamp(length - static_cast<int>(index) * 8, 0, 8);
    return static_cast<uint8_t>(0xff00 >> bits);
}

std::optional<uint16_t> parse_number(std::string_view text, unsigned limit) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    if (error != std::errc() || end != text.end() || number > limit) return std::nullopt;
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    return static_cast<uint16_t>(number);
}

// "ADDRESS:PORTS" or "[ADDRESS]:PORTS", taken apart but not yet read.
struct Halves {
    std::string_view address;
    std::string_view ports;
};

Result<Halves> split_ports(std::string_view text) {
    const auto quoted = [&] { return "'" + std::string(text) + "'"; };
    const size_t colon = text.rfind(':');
    if (is_url(text))
        return Error{quoted() + " is a URL: leave out " + std::string(text.substr(0, text.find("//") + 2))};
    if (text.starts_with('[')) {
        const size_t bracket = text.find(']');
        if (bracket == text.npos) return Error{quoted() + " has '[' without ']'"};
        if (colon != bracket + 1) return Error{quoted() + " lacks a port: write [ADDRESS]:PORT"};
        return Halves{text.substr(1, bracket - 1), text.substr(colon + 1)};
    }
    if (colon == text.npos) return Error{quoted() + " lacks a port: write ADDRESS:PORT"};
    if (text.find(':') != colon) {
        return Error{quoted() + " is ambiguous: write an IPv6 endpoint as [ADDRESS]:PORT"};
    }
    return Halves{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

Ip Ip::v4(uint32_t host_order) {
    Ip ip;
    std::ranges::copy(mapped_head, ip.bytes_.begin());
    for (size_t i = 0; i < 4; ++i) ip.bytes_[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
    return ip;
}

Ip Ip::from_network(std::span<const uint8_t, 4> bytes) {
    Ip ip;
    std::ranges::copy(mapped_head, ip.bytes_.begin());
    std::ranges::copy(bytes, ip.bytes_.begin() + 12);
    return ip;
}

Ip Ip::from_network(std::span<const uint8_t, 16> bytes) {
    Ip ip;
    std::ranges::copy(bytes, ip.bytes_.begin());
    return ip;
}

Ip Ip::any(Family family) { return family == Family::v4 ? v4(0) : Ip(); }

Result<Ip> Ip::parse(std::string_view text) {
    const std::string terminated(text);
    std::array<uint8_t, 16> bytes{};
    // inet_pton refuses leading zeros and short forms, which other readers take for octal or guess at.
    if (terminated.find('\0') == terminated.npos) {
        if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
            return from_network(std::span<const uint8_t, 4>(bytes.data(), 4));
        }
        if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return from_network(bytes);
    }
    return Error{"'" + terminated + "' is not an IP address"};
}

std::string Ip::str() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(is_v4() ? AF_INET : AF_INET6, network_bytes().data(), text.data(), text.size());
    return text.data();
}

Family Ip::family() const {
    return std::equal(mapped_head.begin(), mapped_head.end(), bytes_.begin()) ? Family::v4 : Family::v6;
}

bool Ip::is_unspecified() const { return *this == any(family()); }

bool Ip::is_loopback() const {
    if (is_v4()) return bytes_[12] == 127;
    return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; });
}

bool Ip::is_multicast() const { return is_v4() ? (bytes_[12] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

bool Ip::is_link_local() const {
    return is_v4() ? bytes_[12] == 169 && bytes_[13] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool Ip::is_broadcast() const { return is_v4() && v4_bits() == 0xffffffff; }

bool Ip::is_private() const {
    if (is_link_local()) return true;
    if (!is_v4()) return (bytes_[0] & 0xfe) == 0xfc;
    const uint32_t bits = v4_bits();
    const auto in = [&](uint32_t network, int length) { return (bits ^ network) >> (32 - length) == 0; };
    return in(0x0a000000, 8) || in(0xac100000, 12) || in(0xc0a80000, 16) || in(0x64400000, 10);
}

uint32_t Ip::v4_bits() const {
    uint32_t bits = 0;
    for (size_t i = 12; i < 16; ++i) bits = bits << 8 | bytes_[i];
    return bits;
}

std::span<const uint8_t> Ip::network_bytes() const {
    return std::span<const uint8_t>(bytes_).subspan(is_v4() ? 12 : 0);
}

Prefix Prefix::of(Ip address, int length) {
    std::array<uint8_t, 16> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = address.bytes()[i] & mask_at(i, length + offset_of(address.family()));
    }
    return {Ip::from_network(bytes), length};
}

Result<Prefix> Prefix::parse(std::string_view text) {
    const size_t slash = text.find('/');
    const auto ip = Ip::parse(text.substr(0, slash));
    if (!ip) return ip.error();
    const int bits = bits_of(ip->family());
    if (slash == text.npos) return Prefix{*ip, bits};
    const auto length = parse_number(text.substr(slash + 1), static_cast<unsigned>(bits));
    if (!length) {
        return Error{"'" + std::string(text) + "' needs a prefix length from 0 to " + std::to_string(bits)};
    }
    const Prefix prefix = of(*ip, *length);
    if (prefix.address != *ip) {
        return Error{"'" + std::string(text) + "' has host bits set; the network is " + prefix.str()};
    }
    return prefix;
}

std::string Prefix::str() const { return address.str() + "/" + std::to_string(length); }

bool Prefix::contains(Ip ip) const { return ip.family() == address.family() && of(ip, length) == *this; }

bool Prefix::overlaps(const Prefix& other) const {
    return length <= other.length ? contains(other.address) : other.contains(address);
}

Prefix Prefix::half(bool high) const {
    std::array<uint8_t, 16> bytes{};
    std::ranges::copy(address.bytes(), bytes.begin());
    const auto bit = static_cast<size_t>(length) + static_cast<size_t>(offset_of(address.family()));
    if (high) bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] | (0x80 >> (bit % 8)));
    return {Ip::from_network(bytes), length + 1};
}

Ip Prefix::with_host_of(Ip host) const {
    std::array<uint8_t, 16> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
        const uint8_t mask = mask_at(i, length + offset_of(address.family()));
        bytes[i] = static_cast<uint8_t>((address.bytes()[i] & mask) | (host.bytes()[i] & ~mask));
    }
    return Ip::from_network(bytes);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    const auto range = EndpointRange::parse(text);
    if (!range) return range.error();
    if (range->ports.size() != 1) return Error{"'" + std::string(text) + "' must name one port, not a range"};
    return range->first();
}

Result<Endpoint> Endpoint::parse_open(std::string_view text) {
    if (const auto ip = Ip::parse(text)) return Endpoint{*ip, 0};
    if (const auto endpoint = parse(text)) return *endpoint;
    return Error{"'" + std::string(text) +
                 "' is neither an address nor ADDRESS:PORT, such as 10.0.0.2 or [fd00::2]:4000"};
}

std::string Endpoint::str() const {
    return (ip.is_v4() ? ip.str() : "[" + ip.str() + "]") + ":" + std::to_string(port);
}

std::string Endpoint::str_open() const { return port == 0 ? ip.str() : str(); }

Result<PortRange> PortRange::parse(std::string_view text) {
    const size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash), 65535);
    const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1), 65535);
    if (!first || !last || *first == 0) {
        return Error{"'" + std::string(text) + "' is not a port: write 1 to 65535, or a range FIRST-LAST"};
    }
    if (*last < *first) {
        return Error{"port range '" + std::string(text) + "' runs backwards: write the smaller port first"};
    }
    return PortRange{*first, *last};
}

std::string PortRange::str() const { return std::to_string(first) + (size() > 1 ? "-" + std::to_string(last) : ""); }

Result<EndpointRange> EndpointRange::parse(std::string_view text) {
    const auto halves = split_ports(text);
    if (!halves) return halves.error();
    const auto ip = Ip::parse(halves->address);
    if (!ip) return ip.error();
    const auto ports = PortRange::parse(halves->ports);
    if (!ports) return ports.error();
    return EndpointRange{*ip, *ports};
}

std::string EndpointRange::str() const { return (ip.is_v4() ? ip.str() : "[" + ip.str() + "]") + ":" + ports.str(); }

}  // namespace hairpin
