// The PROXY protocol, versions 1 and 2: who the client is, told ahead of its first byte.
//
// Follows haproxy.org, doc/proxy-protocol.txt. Pure functions over bytes; nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/flow.h"
#include "model/service.h"

namespace hairpin {

// The client's side of a connection as its first proxy saw it: getpeername() and getsockname() of the accepted socket.
struct ProxyAddresses {
    Endpoint source;
    Endpoint destination;

    bool operator==(const ProxyAddresses&) const = default;
};

// Room for any header we write. The longest, v1 with IPv6 addresses, takes 104 bytes.
inline constexpr size_t proxy_header_space = 108;

// Writes a header and returns the used part of `space`. Send it in one write, ahead of the payload; of UDP, in every
// datagram, with it. `ProxyHeader::none` gives an empty one.
//
// If one address is IPv4 and the other IPv6, the first is written v4-mapped. v1 cannot express UDP and says UNKNOWN.
std::span<const uint8_t> write_proxy_header(ProxyHeader version, Protocol protocol, const ProxyAddresses& addresses,
                                            std::span<uint8_t, proxy_header_space> space);

// The longest header we take, so what a receiver must be ready to hold. v1 ends within 107 bytes. v2 could announce
// 65551; we stop at what HAProxy can receive with its default buffer, enough for a client's certificate.
inline constexpr size_t max_proxy_header = 16384;

struct ProxyParse {
    enum class Status : uint8_t { incomplete, complete, invalid };
    Status status = Status::invalid;
    // complete: the bytes that are header; the payload begins behind them.
    // incomplete: the header will be longer than what there is, and has at least so many bytes (max_proxy_header or
    // less).
    size_t size = 0;
    // Of a complete header. Absent: use those of the socket.
    std::optional<ProxyAddresses> addresses;
    // Of an invalid one, in words; static storage.
    std::string_view error = {};
};

// Reads the header that `bytes`, all that a sender has sent so far, must begin with; `protocol` is how they came.
// Stateless: while the header is incomplete, call it again with more. A header is found invalid as soon as a finished
// part of it is. A datagram holds its header whole or is invalid.
//
// Valid, and without addresses: v1 UNKNOWN; v2 LOCAL, whatever follows in its length; v2 UNSPEC; and what the
// specification wants treated as UNSPEC where it is not supported: UNIX sockets and the transport that is not
// `protocol`. TLVs must fit the header. Their contents are ignored, but a CRC32C must be right.
//
// Whoever may send a header may claim any address: ask first whether the peer is a trusted sender.
ProxyParse parse_proxy_header(std::span<const uint8_t> bytes, Protocol protocol);

}  // namespace hairpin
