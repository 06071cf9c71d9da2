// TCP and UDP: a connection, or a datagram; what is said, and what is expected to be heard.
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/lower_case.h"
#include "health/probe.h"
#include "net/socket.h"

namespace hairpin::health {
namespace {

using namespace std::string_literals;

constexpr size_t most_heard = 4096;  // bytes of an answer that are searched

// A PROXY header of a connection that the sender makes for itself (PROXY protocol 2.1 and 2.2).
std::string own_header(ProxyHeader version) {
    switch (version) {
        case ProxyHeader::v1:
            return "PROXY UNKNOWN\r\n";
        case ProxyHeader::v2:
            return "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s;  // LOCAL, and no addresses
        default:
            return "";
    }
}

class SocketProbe final : public Probe {
public:
    SocketProbe(const Target& target, Protocol protocol)
        : asked_(target.asked()),
          check_(target.check),
          origin_(target.origin),
          said_(own_header(target.header()) + target.check->send),
          is_tcp_(protocol == Protocol::tcp) {}

    // Nothing: it is under way.
    std::optional<Outcome> begin() {
        fd_ = open_socket(is_tcp_ ? Protocol::tcp : Protocol::udp, asked_.ip.family());
        if (!fd_) return Outcome::of_errno(errno);
        if (is_tcp_) reset_on_close(fd_.get());  // no connection rests here for a minute
        if (origin_ && !come_from(fd_.get(), origin_->address, origin_->link, asked_)) {
            return cannot_begin(errno);
        }
        const SockAddr address(asked_);
        if (connect(fd_.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS) return cannot_begin(errno);
        return is_tcp_ ? std::nullopt : say();
    }

    int fd() const override { return fd_.get(); }

    std::optional<Outcome> advance() override {
        if (is_tcp_ && !connected_) {
            if (const int error_number = pending_error(fd_.get())) return Outcome::of_errno(error_number);
            if (!peer_endpoint(fd_.get())) return std::nullopt;
            // Where nobody listens on this machine, a socket may have been connected to itself.
            if (local_endpoint(fd_.get()) == asked_) return Outcome::of_errno(ECONNREFUSED);
            connected_ = true;
            if (auto failed = say()) return failed;
            if (check_->expect.empty()) return Outcome::passed();
        }
        return listen();
    }

    bool has_met() const override { return connected_; }

private:
    Outcome cannot_begin(int error_number) const { return Outcome::of_beginning(error_number, origin_.has_value()); }

    // A new socket has room for all of it.
    std::optional<Outcome> say() {
        if (is_tcp_ && said_.empty()) return std::nullopt;
        const ssize_t sent = send(fd_.get(), said_.data(), said_.size(), MSG_NOSIGNAL);
        return sent < 0 ? std::optional(Outcome::of_errno(errno)) : std::nullopt;
    }

    std::optional<Outcome> listen() {
        for (;;) {
            std::array<char, most_heard> piece;
            const ssize_t size = recv(fd_.get(), piece.data(), piece.size(), 0);
            if (size < 0 && errno == EINTR) continue;
            if (size < 0 && errno == EAGAIN) return std::nullopt;
            if (size < 0) return Outcome::of_errno(errno);
            heard_.append(piece.data(), static_cast<size_t>(size));
            if (heard_.find(check_->expect) != heard_.npos) return Outcome::passed();
            if (!is_tcp_ || heard_.size() > most_heard) {
                return Outcome::failed("the answer does not hold what is expected");
            }
            if (size == 0) return Outcome::failed("the connection ended before the expected answer");
        }
    }

    const Endpoint asked_;
    const Shared<HealthCheck> check_;
    const std::optional<CheckOrigin> origin_;
    const std::string said_;
    const bool is_tcp_;
    Fd fd_;
    bool connected_ = false;  // over TCP
    std::string heard_;
};

}  // namespace

Outcome Outcome::of_errno(int error_number) {
    switch (error_number) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EADDRNOTAVAIL:  // of connect(): no port is left
        case EAGAIN:
            return undecided(describe_errno(error_number));
        default:
            return failed(in_lower_case(describe_errno(error_number)));
    }
}

Outcome Outcome::of_beginning(int error_number, bool from_origin) {
    return from_origin ? undecided(describe_errno(error_number)) : of_errno(error_number);
}

Begun begin_socket_probe(const Target& target) {
    auto probe = std::make_unique<SocketProbe>(target, *protocol_of(target.check->kind));
    if (auto outcome = probe->begin()) return {nullptr, *std::move(outcome)};
    return {std::move(probe)};
}

}  // namespace hairpin::health
