// Who may use a service: what its lists `allow` and `deny` say of a client.
#pragma once

#include <optional>

#include "model/service.h"

namespace hairpin {

// Why a client is kept out.
struct Denial {
    enum class List : uint8_t { allow, deny };
    List list = List::allow;       // it lies in none of `allow`, or in one of `deny`
    std::optional<Prefix> prefix;  // of `deny`: the narrowest one that it lies in
};
template <>
inline constexpr auto names_of<Denial::List> = std::to_array<std::string_view>({"allow", "deny"});

// Nothing: the client is let in. `deny` wins over `allow`; without `allow` everybody else is. `client`: who calls or,
// where it is one of accept_proxy_from, whom its PROXY header names; that names nobody: who calls. Pure.
std::optional<Denial> denial(const Service& service, const Ip& client);

// The same in O(log n), for whoever need not say why.
bool admits(const Service& service, const Ip& client);

}  // namespace hairpin
