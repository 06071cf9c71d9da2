#include "lab/proxy_header.h"

#include <charconv>
#include <vector>

namespace hairpin::lab {
namespace {

constexpr std::string_view signature1 = "PROXY ";
constexpr std::string_view signature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t longest1 = 107;  // with its CR LF
constexpr size_t fixed2 = 16;     // signature, command, family, length

using Answer = Result<std::optional<Proxied>>;

std::optional<uint16_t> port_of(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), port);
    if (error != std::errc() || end != text.end() || port > 65535) return std::nullopt;
    return static_cast<uint16_t>(port);
}

Answer read1(std::string_view bytes) {
    const size_t end = bytes.substr(0, longest1).find("\r\n");
    if (end == bytes.npos) {
        if (bytes.size() >= longest1) return Error{"PROXY v1: no end of line in 107 bytes"};
        return std::optional<Proxied>();
    }
    std::vector<std::string_view> words;
    for (size_t at = 0; at <= end;) {
        const size_t space = std::min(bytes.find(' ', at), end);
        words.push_back(bytes.substr(at, space - at));
        at = space + 1;
    }
    const std::string line(bytes.substr(0, end));
    if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return Error{"PROXY v1: '" + line + "'"};
    const auto source = Ip::parse(words[2]);
    const auto destination = Ip::parse(words[3]);
    const auto source_port = port_of(words[4]);
    const auto destination_port = port_of(words[5]);
    const Family family = words[1] == "TCP4" ? Family::v4 : Family::v6;
    if (!source || !destination || !source_port || !destination_port || source->family() != family ||
        destination->family() != family) {
        return Error{"PROXY v1: '" + line + "'"};
    }
    return std::optional(
        Proxied{ProxyHeader::v1, Protocol::tcp, {*source, *source_port}, {*destination, *destination_port}, end + 2});
}

uint16_t number_at(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

Ip ip_at(std::string_view bytes, size_t at, size_t size) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data() + at);
    if (size == 4) return Ip::from_network(std::span<const uint8_t, 4>(data, 4));
    return Ip::from_network(std::span<const uint8_t, 16>(data, 16));
}

Answer read2(std::string_view bytes) {
    if (bytes.size() < fixed2) return std::optional<Proxied>();
    const size_t size = fixed2 + number_at(bytes, 14);
    if (bytes.size() < size) return std::optional<Proxied>();
    const auto family = static_cast<uint8_t>(bytes[13]) >> 4;
    const auto transport = static_cast<uint8_t>(bytes[13]) & 0xf;
    const size_t address = family == 1 ? 4 : 16;
    if (bytes[12] != '\x21') return Error{"PROXY v2: not version 2 with the command PROXY"};
    if (family < 1 || family > 2 || transport < 1 || transport > 2) return Error{"PROXY v2: unknown family"};
    if (size < fixed2 + 2 * address + 4) return Error{"PROXY v2: too short for its addresses"};
    const size_t ports = fixed2 + 2 * address;
    return std::optional(Proxied{ProxyHeader::v2,
                                 transport == 1 ? Protocol::tcp : Protocol::udp,
                                 {ip_at(bytes, fixed2, address), number_at(bytes, ports)},
                                 {ip_at(bytes, fixed2 + address, address), number_at(bytes, ports + 2)},
                                 size});
}

// True if `bytes` may yet turn out to begin with `signature`.
bool may_begin(std::string_view bytes, std::string_view signature) {
    return signature.starts_with(bytes.substr(0, signature.size()));
}

void append(std::string& bytes, const Ip& ip) {
    for (const uint8_t byte : ip.network_bytes()) bytes += static_cast<char>(byte);
}

void append(std::string& bytes, size_t number) {
    bytes += static_cast<char>(number >> 8);
    bytes += static_cast<char>(number & 0xff);
}

}  // namespace

Answer read_proxy_header(std::string_view bytes) {
    if (bytes.starts_with(signature1)) return read1(bytes);
    if (bytes.starts_with(signature2)) return read2(bytes);
    if (may_begin(bytes, signature1) || may_begin(bytes, signature2)) return std::optional<Proxied>();
    return std::optional(Proxied{});
}

std::string write_proxy_header(ProxyHeader version, Protocol protocol, const Endpoint& source,
                               const Endpoint& destination) {
    const bool v4 = source.ip.is_v4();
    if (version == ProxyHeader::v1) {
        return std::string(signature1) + (v4 ? "TCP4 " : "TCP6 ") + source.ip.str() + " " + destination.ip.str() + " " +
               std::to_string(source.port) + " " + std::to_string(destination.port) + "\r\n";
    }
    std::string bytes(signature2);
    bytes += '\x21';
    bytes += static_cast<char>((v4 ? 0x10 : 0x20) | (protocol == Protocol::tcp ? 1 : 2));
    append(bytes, v4 ? size_t{12} : size_t{36});
    append(bytes, source.ip);
    append(bytes, destination.ip);
    append(bytes, size_t{source.port});
    append(bytes, size_t{destination.port});
    return bytes;
}

}  // namespace hairpin::lab
