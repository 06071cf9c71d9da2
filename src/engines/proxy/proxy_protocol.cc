#include "engines/proxy/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace hairpin {
namespace {

using Bytes = std::span<const uint8_t>;
using Status = ProxyParse::Status;

ProxyParse incomplete(size_t at_least) { return {.status = Status::incomplete, .size = at_least, .addresses = {}}; }
ProxyParse invalid(std::string_view error) { return {.status = Status::invalid, .addresses = {}, .error = error}; }
ProxyParse complete(size_t size, std::optional<ProxyAddresses> addresses) {
    return {.status = Status::complete, .size = size, .addresses = addresses};
}

// The family both addresses can be written in.
Family common_family(const ProxyAddresses& addresses) {
    const bool both_v4 = addresses.source.ip.is_v4() && addresses.destination.ip.is_v4();
    return both_v4 ? Family::v4 : Family::v6;
}

Bytes network_bytes(const Ip& ip, Family family) {
    return family == Family::v4 ? ip.network_bytes() : Bytes(ip.bytes());
}

// Precondition: as many bytes as the family's addresses have.
Ip ip_of(Bytes bytes, Family family) {
    return family == Family::v4 ? Ip::from_network(bytes.first<4>()) : Ip::from_network(bytes.first<16>());
}

int socket_family(Family family) { return family == Family::v4 ? AF_INET : AF_INET6; }

// --- Version 1: "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\r\n"

constexpr size_t v1_max_size = 107;
constexpr std::string_view v1_greeting = "PROXY";
enum class V1Kind : uint8_t { tcp4, tcp6, unknown };
constexpr auto v1_kinds = std::to_array<std::string_view>({"TCP4", "TCP6", "UNKNOWN"});

size_t write_v1(Protocol protocol, const ProxyAddresses& addresses, std::span<uint8_t> space) {
    char* const out = reinterpret_cast<char*>(space.data());
    if (protocol == Protocol::udp) {
        return static_cast<size_t>(std::snprintf(out, space.size(), "PROXY UNKNOWN\r\n"));
    }
    const auto& [source, destination] = addresses;
    const Family family = common_family(addresses);
    const int af = socket_family(family);
    std::array<char, INET6_ADDRSTRLEN> from{};
    std::array<char, INET6_ADDRSTRLEN> to{};
    inet_ntop(af, network_bytes(source.ip, family).data(), from.data(), from.size());
    inet_ntop(af, network_bytes(destination.ip, family).data(), to.data(), to.size());
    return static_cast<size_t>(std::snprintf(out, space.size(), "PROXY %s %s %s %u %u\r\n",
                                             family == Family::v4 ? "TCP4" : "TCP6", from.data(), to.data(),
                                             unsigned{source.port}, unsigned{destination.port}));
}

bool only_address_characters(std::string_view text) {
    return text.find_first_not_of("0123456789abcdefABCDEF:.") == text.npos;
}

// Without the strings that Ip::parse makes, and of the announced family only.
std::optional<Ip> read_address(std::string_view text, Family family) {
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || !only_address_characters(text)) return std::nullopt;
    std::ranges::copy(text, terminated.begin());
    std::array<uint8_t, 16> bytes{};
    // inet_pton refuses leading zeros, short forms and numbers out of range.
    if (inet_pton(socket_family(family), terminated.data(), bytes.data()) != 1) return std::nullopt;
    return ip_of(bytes, family);
}

std::optional<uint16_t> read_port(std::string_view text) {
    uint16_t port = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, port);
    if (error != std::errc() || end != last || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    return port;
}

std::optional<V1Kind> kind_that_starts_with(std::string_view text) {
    const auto found = std::ranges::find_if(v1_kinds, [&](auto kind) { return kind.starts_with(text); });
    if (found == v1_kinds.end()) return std::nullopt;
    return static_cast<V1Kind>(found - v1_kinds.begin());
}

// The fields of a line that may still be growing.
class Fields {
public:
    Fields(std::string_view line, bool line_ended) : rest_(line), line_ended_(line_ended) {}

    // The next field; empty behind the last one.
    std::string_view next() {
        const size_t space = rest_.find(' ');
        const std::string_view field = rest_.substr(0, space);
        more_ = space != rest_.npos;
        rest_.remove_prefix(more_ ? space + 1 : rest_.size());
        return field;
    }
    bool more() const { return more_; }                     // another field follows the last one taken
    bool finished() const { return more_ || line_ended_; }  // the last one taken will not grow

private:
    std::string_view rest_;
    bool line_ended_;
    bool more_ = true;
};

ProxyParse parse_v1(std::string_view bytes, Protocol protocol) {
    const std::string_view window = bytes.substr(0, v1_max_size);
    const size_t end = window.find("\r\n");
    const bool ended = end != window.npos;
    std::string_view line = window.substr(0, end);
    if (!ended && window.size() == v1_max_size) return invalid("v1: no CRLF within 107 bytes");
    if (!ended && line.ends_with('\r')) line.remove_suffix(1);  // its LF may be under way
    // In UNKNOWN too: of a line that a lone LF was meant to end, we would swallow payload up to some later CRLF.
    if (line.find_first_of("\r\n") != line.npos) return invalid("v1: CR or LF alone");

    const ProxyParse unfinished = incomplete(bytes.size() + 1);
    Fields fields(line, ended);
    const std::string_view greeting = fields.next();
    if (!v1_greeting.starts_with(greeting)) return invalid("begins with no PROXY header");
    if (!fields.finished()) return unfinished;
    if (greeting != v1_greeting || !fields.more()) return invalid("begins with no PROXY header");

    const std::string_view word = fields.next();
    const auto kind = kind_that_starts_with(word);
    if (!kind) return invalid("v1: protocol is none of TCP4, TCP6, UNKNOWN");
    if (!fields.finished()) return unfinished;
    if (word != v1_kinds[static_cast<size_t>(*kind)]) return invalid("v1: protocol is none of TCP4, TCP6, UNKNOWN");
    if (*kind == V1Kind::unknown) return ended ? complete(end + 2, std::nullopt) : unfinished;

    const Family family = *kind == V1Kind::tcp4 ? Family::v4 : Family::v6;
    ProxyAddresses addresses;
    for (Ip* ip : {&addresses.source.ip, &addresses.destination.ip}) {
        if (!fields.more()) return invalid("v1: an address is missing");
        const std::string_view field = fields.next();
        if (!fields.finished()) {
            return only_address_characters(field) ? unfinished : invalid("v1: bad address");
        }
        const auto read = read_address(field, family);
        if (!read) return invalid("v1: bad address, or one of another family than announced");
        *ip = *read;
    }
    for (uint16_t* port : {&addresses.source.port, &addresses.destination.port}) {
        if (!fields.more()) return invalid("v1: a port is missing");
        const std::string_view field = fields.next();
        if (field.empty() && !fields.finished()) return unfinished;
        const auto read = read_port(field);  // the beginning of a good one is good
        if (!read) return invalid("v1: bad port");
        if (!fields.finished()) return unfinished;
        *port = *read;
    }
    if (fields.more()) return invalid("v1: more fields than there should be");
    if (protocol != Protocol::tcp) return complete(end + 2, std::nullopt);
    return complete(end + 2, addresses);
}

// --- Version 2: signature, version and command, family and transport, length; addresses; TLVs

constexpr auto v2_signature =
    std::to_array<uint8_t>({0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a});
constexpr size_t v2_head = 16;
constexpr size_t v2_tlv_head = 3;  // type, 16 bits of length
constexpr uint8_t v2_tlv_crc32c = 0x03;

enum V2Command : uint8_t { v2_local = 0, v2_proxy = 1 };
enum V2Family : uint8_t { v2_any_family = 0, v2_inet = 1, v2_inet6 = 2, v2_unix = 3 };
enum V2Transport : uint8_t { v2_any_transport = 0, v2_stream = 1, v2_datagram = 2 };
constexpr auto v2_addresses_size = std::to_array<size_t>({0, 12, 36, 216});  // by V2Family

constexpr V2Transport v2_transport(Protocol protocol) { return protocol == Protocol::tcp ? v2_stream : v2_datagram; }

uint16_t read_u16(Bytes bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }
uint32_t read_u32(Bytes bytes) { return uint32_t{read_u16(bytes)} << 16 | read_u16(bytes.subspan(2)); }

uint8_t* append(uint8_t* out, Bytes bytes) { return std::ranges::copy(bytes, out).out; }
uint8_t* append_u16(uint8_t* out, size_t value) {
    *out++ = static_cast<uint8_t>(value >> 8);
    *out++ = static_cast<uint8_t>(value);
    return out;
}

// CRC-32C, reflected (RFC 4960 appendix B). Begin with `crc` 0; continue with what the bytes before gave.
constexpr uint32_t crc32c(Bytes bytes, uint32_t crc = 0) {
    crc = ~crc;
    for (const uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}
constexpr auto crc32c_check = std::to_array<uint8_t>({'1', '2', '3', '4', '5', '6', '7', '8', '9'});
static_assert(crc32c(crc32c_check) == 0xe3069283);

size_t write_v2(Protocol protocol, const ProxyAddresses& addresses, std::span<uint8_t> space) {
    const auto& [source, destination] = addresses;
    const Family family = common_family(addresses);
    const V2Family v2_family = family == Family::v4 ? v2_inet : v2_inet6;
    uint8_t* out = append(space.data(), v2_signature);
    *out++ = static_cast<uint8_t>(2 << 4 | v2_proxy);
    *out++ = static_cast<uint8_t>(v2_family << 4 | v2_transport(protocol));
    out = append_u16(out, v2_addresses_size[v2_family]);
    out = append(out, network_bytes(source.ip, family));
    out = append(out, network_bytes(destination.ip, family));
    out = append_u16(out, source.port);
    out = append_u16(out, destination.port);
    return static_cast<size_t>(out - space.data());
}

// Precondition: an address block of this family.
ProxyAddresses read_addresses(Bytes block, Family family) {
    const size_t ip_size = family == Family::v4 ? 4 : 16;
    const Bytes ports = block.subspan(2 * ip_size);
    return {.source = {ip_of(block, family), read_u16(ports)},
            .destination = {ip_of(block.subspan(ip_size), family), read_u16(ports.subspan(2))}};
}

// The checksum covers the whole header, with zeros where it stands itself.
bool checksum_is_right(Bytes header, size_t checksum_at) {
    constexpr std::array<uint8_t, 4> zeros{};
    uint32_t crc = crc32c(header.first(checksum_at));
    crc = crc32c(zeros, crc);
    crc = crc32c(header.subspan(checksum_at + zeros.size()), crc);
    return crc == read_u32(header.subspan(checksum_at));
}

// What is wrong with the TLVs from `at` to the header's end at `size`, as far as they have arrived; empty: nothing.
std::string_view fault_in_tlvs(Bytes bytes, size_t at, size_t size) {
    std::optional<size_t> checksum_at;
    while (at < size) {
        if (size - at < v2_tlv_head) return "v2: the header ends within a TLV";
        if (bytes.size() < at + v2_tlv_head) return {};
        const size_t length = read_u16(bytes.subspan(at + 1));
        const size_t value_at = at + v2_tlv_head;
        if (length > size - value_at) return "v2: the header ends within a TLV";
        if (bytes[at] == v2_tlv_crc32c) {
            if (length != 4 || checksum_at) return "v2: malformed or repeated CRC32C";
            checksum_at = value_at;
        }
        at = value_at + length;
    }
    if (bytes.size() < size || !checksum_at || checksum_is_right(bytes.first(size), *checksum_at)) return {};
    return "v2: the CRC32C does not match";
}

ProxyParse parse_v2(Bytes bytes, Protocol protocol) {
    const Bytes signature = bytes.first(std::min(bytes.size(), v2_signature.size()));
    if (!std::equal(signature.begin(), signature.end(), v2_signature.begin())) return invalid("v2: bad signature");
    if (bytes.size() <= 12) return incomplete(v2_head);
    const unsigned version = bytes[12] >> 4;
    const unsigned command = bytes[12] & 0xf;
    if (version != 2) return invalid("v2: version is not 2");
    if (command != v2_local && command != v2_proxy) return invalid("v2: unknown command");
    if (bytes.size() <= 13) return incomplete(v2_head);
    const unsigned family = bytes[13] >> 4;
    const unsigned transport = bytes[13] & 0xf;
    if (command == v2_proxy && family > v2_unix) return invalid("v2: unknown address family");
    if (command == v2_proxy && transport > v2_datagram) return invalid("v2: unknown transport protocol");
    if (bytes.size() < v2_head) return incomplete(v2_head);

    const size_t size = v2_head + read_u16(bytes.subspan(14));
    if (size > max_proxy_header) return invalid("v2: longer than the 16384 bytes we take");
    // Nothing is known of the layout of these, so nothing but their length is looked at.
    const bool opaque = command == v2_local || family == v2_any_family || transport == v2_any_transport;
    if (!opaque) {
        const size_t tlvs_at = v2_head + v2_addresses_size[family];
        if (size < tlvs_at) return invalid("v2: too short for addresses of its family");
        const auto fault = fault_in_tlvs(bytes, tlvs_at, size);
        if (!fault.empty()) return invalid(fault);
    }
    if (bytes.size() < size) return incomplete(size);
    if (opaque || family == v2_unix || transport != v2_transport(protocol)) return complete(size, std::nullopt);
    return complete(size, read_addresses(bytes.subspan(v2_head), family == v2_inet ? Family::v4 : Family::v6));
}

ProxyParse parse_either(Bytes bytes, Protocol protocol) {
    if (bytes.empty()) return incomplete(1);
    if (bytes.front() == v2_signature.front()) return parse_v2(bytes, protocol);
    return parse_v1({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, protocol);
}

}  // namespace

std::span<const uint8_t> write_proxy_header(ProxyHeader version, Protocol protocol, const ProxyAddresses& addresses,
                                            std::span<uint8_t, proxy_header_space> space) {
    switch (version) {
        case ProxyHeader::v1:
            return space.first(write_v1(protocol, addresses, space));
        case ProxyHeader::v2:
            return space.first(write_v2(protocol, addresses, space));
        case ProxyHeader::none:
            break;
    }
    return {};
}

ProxyParse parse_proxy_header(std::span<const uint8_t> bytes, Protocol protocol) {
    const ProxyParse parse = parse_either(bytes, protocol);
    if (protocol == Protocol::udp && parse.status == Status::incomplete) {
        return invalid("the datagram ends within its header");
    }
    return parse;
}

}  // namespace hairpin
