#include "engines/proxy/connect_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/lower_case.h"
#include "base/result.h"

namespace hairpin::proxy {
namespace {

Refusal refusal_for(int error_number) {
    switch (error_number) {
        case EMFILE:
        case ENFILE:
            return Refusal::descriptors;
        case EADDRNOTAVAIL:
        case EADDRINUSE:
        case EAGAIN:
            return Refusal::ports;
        case ENOMEM:
        case ENOBUFS:
        case ENOSPC:
            return Refusal::memory;
        default:
            return Refusal::backend;
    }
}

}  // namespace

ConnectFailure ConnectFailure::of(int error_number) {
    return {.refusal = refusal_for(error_number), .error_number = error_number};
}

ConnectFailure ConnectFailure::of_timeout(std::chrono::milliseconds waited) {
    return {.refusal = Refusal::backend, .error_number = ETIMEDOUT, .waited = waited};
}

ConnectFailure ConnectFailure::of_source(int error_number) {
    // bind() says "not available" of an address that is not the machine's, not of a port.
    const Refusal refusal = error_number == EADDRNOTAVAIL ? Refusal::backend : refusal_for(error_number);
    return {.refusal = refusal, .error_number = error_number, .in_source = true};
}

bool ConnectFailure::is_of_backend() const {
    constexpr auto its_own =
        std::to_array({ECONNREFUSED, ECONNRESET, ECONNABORTED, EPIPE, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH});
    return !in_source && std::ranges::find(its_own, error_number) != its_own.end();
}

std::string ConnectFailure::reason() const {
    if (waited.count() > 0) return fmt::format("no answer within {} ms", waited.count());
    return in_lower_case(describe_errno(error_number));
}

std::string ConnectFailure::describe(const Leg& backend) const {
    if (waited.count() > 0) {
        return fmt::format("backend {} did not answer within {} ms", backend.destination.str(), waited.count());
    }
    const std::string where = "backend " + backend.destination.str() + ": ";
    if (!in_source) return where + advice(backend.protocol);
    return where + "cannot send from " + backend.source.ip.str() + ": " + advice(backend.protocol) +
           "; was the address taken from this machine? `source: gateway` does without it";
}

std::string ConnectFailure::advice(Protocol protocol) const {
    switch (refusal) {
        case Refusal::descriptors:
            return "no file descriptor is left; raise the limit (LimitNOFILE= in the unit, ulimit -n in a shell)";
        case Refusal::ports:
            if (protocol == Protocol::udp) {
                return "no source port is left: every UDP session takes one of its source address, whichever backend "
                       "it asks; widen net.ipv4.ip_local_port_range, shorten idle_timeout, or listen on more addresses";
            }
            return "no source port or address is left to reach it from; widen net.ipv4.ip_local_port_range, set "
                   "net.ipv4.tcp_tw_reuse=1, or add "
                   "backends";
        case Refusal::memory:
            return "the kernel has no memory left for one more connection";
        default:
            return describe_errno(error_number);
    }
}

}  // namespace hairpin::proxy
