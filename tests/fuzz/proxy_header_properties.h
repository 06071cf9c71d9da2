// What must hold of any bytes that claim to be a PROXY header. Aborts where it does not.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engines/proxy/proxy_protocol.h"

namespace hairpin {

inline void must(bool holds) {
    if (!holds) std::abort();
}

// Parses a copy that ends where its allocation does, so that the sanitizer sees any byte read beyond.
inline ProxyParse parse_copy(std::span<const uint8_t> bytes, Protocol protocol) {
    const auto copy = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.get());
    return parse_proxy_header({copy.get(), bytes.size()}, protocol);
}

// `version` is what to write the addresses with that come out.
inline void check_proxy_header(std::span<const uint8_t> bytes, ProxyHeader version) {
    using Status = ProxyParse::Status;
    const ProxyParse datagram = parse_copy(bytes, Protocol::udp);
    const ProxyParse stream = parse_copy(bytes, Protocol::tcp);
    must(datagram.status != Status::incomplete);
    must((datagram.status == Status::complete) == (stream.status == Status::complete));
    must((stream.status == Status::invalid) == !stream.error.empty());
    must(stream.size <= max_proxy_header);
    if (stream.status == Status::incomplete) must(stream.size > bytes.size());
    if (stream.status != Status::complete) {
        must(!stream.addresses);
        return;
    }

    must(stream.size <= bytes.size() && datagram.size == stream.size);
    const auto header = bytes.first(stream.size);
    must(parse_copy(header, Protocol::tcp).addresses == stream.addresses);
    // All prefixes of a short header, a sample of those of a long one.
    for (size_t size = 0; size < header.size(); size += 1 + header.size() / 256) {
        must(parse_copy(header.first(size), Protocol::tcp).status == Status::incomplete);
        must(parse_copy(header.first(size), Protocol::udp).status == Status::invalid);
    }

    for (const auto& [parse, protocol] : {std::pair{stream, Protocol::tcp}, std::pair{datagram, Protocol::udp}}) {
        if (!parse.addresses) continue;
        std::array<uint8_t, proxy_header_space> space{};
        const auto written = write_proxy_header(version, protocol, *parse.addresses, space);
        const ProxyParse again = parse_copy(written, protocol);
        must(again.status == Status::complete && again.size == written.size());
        if (version == ProxyHeader::v2 || protocol == Protocol::tcp) must(again.addresses == parse.addresses);
    }
}

}  // namespace hairpin
