// PROXY protocol headers (haproxy.org, doc/proxy-protocol.txt) as the lab reads and writes them: a second, independent
// implementation, so that the engine's is not held against itself. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/service.h"

namespace hairpin::lab {

struct Proxied {
    ProxyHeader version = ProxyHeader::none;  // none: the bytes begin with no header
    Protocol protocol = Protocol::tcp;
    Endpoint source;
    Endpoint destination;
    size_t size = 0;  // bytes of the header

    bool operator==(const Proxied&) const = default;
};

// The header at the start of `bytes`. Nothing: more bytes are needed to tell. Error: a header that breaks the standard.
Result<std::optional<Proxied>> read_proxy_header(std::string_view bytes);

// Precondition: version is v1 or v2, v1 only for TCP; source and destination are of one family.
std::string write_proxy_header(ProxyHeader version, Protocol protocol, const Endpoint& source,
                               const Endpoint& destination);

}  // namespace hairpin::lab
