#include "engines/proxy/session.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "model/admission.h"
#include "net/socket.h"

namespace hairpin::proxy {
namespace {

using namespace std::chrono_literals;

constexpr auto greeting_timeout = 5s;  // at least 3 s, says the PROXY protocol: one retransmission
constexpr auto delivery_interval = TimerWheel::resolution;
constexpr uint8_t most_delivery_attempts = 80;  // about five seconds

constexpr uint32_t watched = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

// Whether these events say that the connection is gone. Both of its streams having ended in order is no reason to think
// so.
bool is_broken(const Side& side, uint32_t events) {
    return (events & EPOLLERR) || ((events & EPOLLHUP) && !side.finished);
}

}  // namespace

// What it takes to find a backend; gone when one has accepted.
struct Session::Opening {
    std::shared_ptr<const Desired> desired;  // the configuration at accept time, which the session stays with
    Served served;
    Endpoint peer;        // who connected
    Endpoint asked;       // the external endpoint, as a concrete address
    ProxyAddresses told;  // the client and what it asked, as the first proxy saw it; without one, peer and asked
    std::optional<Attempts> attempts;
    Choice choice;                 // the backend being tried
    Clock::time_point tried_at{};  // since when
    std::optional<Flow> flow;      // to it
    Refusal refusal = Refusal::backend;
};

Session::Session(Context& context, const Served& served, std::unique_ptr<Opening> opening)
    : place_(static_cast<uint32_t>(context.sessions.size())),
      context_(context),
      record_(served.record),
      counters_(served.counters),
      opening_(std::move(opening)),
      began_(context.now) {
    counters_->active.add();
}

Session::~Session() {
    close_backend();
    if (client_.fd >= 0) close(client_.fd);
    counters_->active.subtract();
}

void Session::begin(Context& context, const Served& served, Fd client, const Endpoint& peer) {
    std::unique_ptr<Session> made(new Session(context, served, std::make_unique<Opening>()));
    context.make_room();
    Session& session = *context.sessions.emplace_back(std::move(made));
    try {
        session.open(served, std::move(client), peer);
    } catch (const std::bad_alloc&) {
        session.abort();
        throw;
    }
}

void Session::open(const Served& served, Fd client, const Endpoint& peer) {
    client_.fd = client.release();
    client_.writable = true;
    Opening& opening = *opening_;
    opening.desired = context_.desired;
    opening.served = served;
    opening.peer = peer;
    opening.asked = served.listen.endpoint.ip.is_unspecified() ? local_endpoint(client_.fd) : served.listen.endpoint;
    opening.told = {peer, opening.asked};
    if (context_.guard.is_ours({Protocol::tcp, peer, opening.asked})) return refuse(Refusal::loop);
    if (!watch(context_, client_.fd, watched, this, Tag::client_side)) return refuse(Refusal::memory);
    if (expects_header(*served.listen.service, peer.ip)) {
        context_.timers.arm(*this, context_.now + greeting_timeout);
    } else {
        admit();
    }
}

// Whatever happens to a session may need memory, but ending it does not: where there is none, it alone is lost.
template <class Work>
void Session::within_memory(Work work) {
    try {
        work();
    } catch (const std::bad_alloc&) {
        abort();
    }
}

void Session::on_client_event(uint32_t events) {
    within_memory([&] { client_event(events); });
}

void Session::on_backend_event(uint32_t events) {
    within_memory([&] { backend_event(events); });
}

void Session::expired() {
    within_memory([&] { timed_out(); });
}

void Session::go_on() {
    queued_ = false;
    within_memory([&] {
        if (state_ == State::relaying) relay();
        if (state_ == State::resetting) reset_when_delivered();
    });
}

void Session::client_event(uint32_t events) {
    if (state_ == State::over) return;
    client_.note(events);
    switch (state_) {
        case State::greeting:
            return greet();
        case State::connecting:
            if (is_broken(client_, events)) abort();  // gone before anybody answered, or just as somebody did
            return;
        case State::relaying:
            if (is_broken(client_, events)) return fail(client_);
            return relay();
        case State::resetting:
            return reset_when_delivered();
        case State::over:
            return;
    }
}

void Session::backend_event(uint32_t events) {
    if (state_ == State::over) return;
    backend_.note(events);
    switch (state_) {
        case State::connecting:
            return on_connect_result();
        case State::relaying:
            if (is_broken(backend_, events)) return fail(backend_);
            return relay();
        case State::resetting:
            return reset_when_delivered();
        default:
            return;
    }
}

void Session::timed_out() {
    switch (state_) {
        case State::greeting:
            return refuse_greeting("it did not come in time");
        case State::connecting:
            return try_another(ConnectFailure::of_timeout(opening_->served.listen.service->connect_timeout));
        case State::relaying:
            return end_if_silent();
        case State::resetting:
            if (++delivery_attempts_ == most_delivery_attempts) return abort();
            return reset_when_delivered();
        default:
            return;
    }
}

// An event may yet wait behind others, and what was passed on long ago may still be on its way to a slow reader.
void Session::end_if_silent() {
    const uint64_t moved = up_.bytes + down_.bytes;
    client_.readable = backend_.readable = true;
    relay();  // arms the timer anew
    if (state_ != State::relaying || up_.bytes + down_.bytes != moved) return;
    const auto undelivered =
        static_cast<uint32_t>(unacknowledged_bytes(client_.fd) + unacknowledged_bytes(backend_.fd));
    if (undelivered == std::exchange(undelivered_, undelivered)) abort();
}

// Looks at what the sender has sent without taking it, until the header is whole.
void Session::greet() {
    Opening& opening = *opening_;
    char* buffer = context_.relay.buffer();
    const ssize_t size = recv(client_.fd, buffer, Relay::buffer_size, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return refuse(Refusal::proxy_header);
    const std::span bytes(reinterpret_cast<const uint8_t*>(buffer), static_cast<size_t>(size));
    const ProxyParse header = parse_proxy_header(bytes, Protocol::tcp);
    if (header.status == ProxyParse::Status::incomplete && !client_.drain) return;
    if (header.status != ProxyParse::Status::complete) {
        return refuse_greeting(header.error.empty() ? "it ended too early" : header.error);
    }
    recv(client_.fd, buffer, header.size, MSG_DONTWAIT);
    if (header.addresses) opening.told = *header.addresses;
    cancel();
    admit();
}

// Who calls is known. The log hears nothing of those who are denied: that is what the operator has asked for.
void Session::admit() {
    const Opening& opening = *opening_;
    const Ip& client = opening.told.source.ip;
    if (!admits(*opening.served.listen.service, client)) return refuse(Refusal::denied);
    if (!opening.served.within_limits(*opening.desired, client, context_.now, share_)) return refuse(Refusal::limits);
    connect_next();
}

void Session::refuse_greeting(std::string_view why) {
    opening_->served.record->report(Refusal::proxy_header, [&] {
        return "no valid PROXY header from " + opening_->peer.str() + ", which is in accept_from: " + std::string(why);
    });
    refuse(Refusal::proxy_header);
}

// Tries the backends that are left, in turn, until one accepts or may yet accept.
void Session::connect_next() {
    state_ = State::connecting;
    Opening& opening = *opening_;
    if (!opening.attempts) {
        opening.attempts = opening.served.attempts(opening.told.source.ip);
        if (opening.attempts->none()) return refuse(opening.served.nobody());
    }
    while (const auto choice = opening.attempts->next()) {
        const Leg client = {Protocol::tcp, opening.told.source, opening.asked};
        opening.flow = translate(opening.desired->ruleset, opening.desired->topology, client, *choice, proxy_abilities);
        if (!opening.flow) {
            opening.refusal = Refusal::backend;
            opening.served.record->report(Refusal::backend, [&] {
                return opening.asked.ip.str() + " was asked, which is none of the gateway's addresses as we know them";
            });
            break;
        }
        opening.choice = *choice;
        opening.tried_at = Clock::now();
        live_ = opening.served.live_at(*choice);
        const auto failure = try_connect(opening.flow->backend);
        if (!failure) return;
        close_backend();
        opening.served.failed(*choice, *failure);
        opening.refusal = failure->refusal;
        opening.served.record->report(failure->refusal, [&] { return failure->describe(opening.flow->backend); });
        if (opening.refusal == Refusal::descriptors) break;
    }
    refuse(opening.refusal);
}

// Starts a connection; nothing: it is under way.
std::optional<ConnectFailure> Session::try_connect(const Leg& leg) {
    backend_ = {.fd = open_socket(Protocol::tcp, leg.destination.ip.family()).release()};
    if (backend_.fd < 0) return ConnectFailure::of(errno);
    set_option(backend_.fd, IPPROTO_TCP, TCP_NODELAY);
    set_option(backend_.fd, SOL_SOCKET, SO_KEEPALIVE);
    set_option(backend_.fd, SOL_SOCKET, SO_OOBINLINE);
    set_option(backend_.fd, SOL_SOCKET, SO_REUSEADDR);  // a new endpoint may take the port that this one calls from
    if (!leg.source.ip.is_unspecified() && !bind_source(backend_.fd, leg.source)) {
        return ConnectFailure::of_source(errno);
    }
    const SockAddr destination(leg.destination);
    if (connect(backend_.fd, destination.get(), destination.size()) != 0 && errno != EINPROGRESS) {
        return ConnectFailure::of(errno);
    }
    if (may_lead_to_us(context_.desired->ruleset, Protocol::tcp, leg.destination)) {
        guarded_ = std::make_unique<Leg>(Leg{Protocol::tcp, local_endpoint(backend_.fd), leg.destination});
        context_.guard.remember(*guarded_);
    }
    if (!watch(context_, backend_.fd, watched, this, Tag::backend_side)) return ConnectFailure::of(errno);
    context_.timers.arm(*this, context_.now + opening_->served.listen.service->connect_timeout);
    return std::nullopt;
}

void Session::on_connect_result() {
    const int error_number = pending_error(backend_.fd);
    // It accepted, said what it had to say, and reset. A backend that accepts nothing refuses.
    backend_.reset = error_number == ECONNRESET;
    if ((error_number == 0 || backend_.reset) && backend_.writable) return on_connected();
    if (error_number == 0 && !(backend_.drain)) return;
    try_another(ConnectFailure::of(error_number != 0 ? error_number : ECONNRESET));
}

// The backend that is being tried turned out to be none.
void Session::try_another(const ConnectFailure& failure) {
    opening_->refusal = Refusal::backend;
    opening_->served.record->report(Refusal::backend, [&] { return failure.describe(opening_->flow->backend); });
    opening_->served.failed(opening_->choice, failure);
    close_backend();
    connect_next();
}

void Session::on_connected() {
    const Opening& opening = *opening_;
    const Service& service = *opening.served.listen.service;
    const Endpoint& backend = opening.flow->backend.destination;
    if (context_.desired->topology.owns(backend.ip) && local_endpoint(backend_.fd) == backend) {
        return try_another(
            ConnectFailure::of(ECONNREFUSED));  // nobody listens there: the kernel connected the socket to itself
    }
    if (service.send_proxy != ProxyHeader::none) {
        std::array<uint8_t, proxy_header_space> space{};
        const auto header = write_proxy_header(service.send_proxy, Protocol::tcp, opening.told, space);
        // A new socket has room for all of it: anything else is a broken one.
        const ssize_t sent = send(backend_.fd, header.data(), header.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent != static_cast<ssize_t>(header.size())) return try_another(ConnectFailure::of(sent < 0 ? errno : EIO));
    }
    path_ = opening.flow->path;
    opening.served.accepted(opening.choice, path_, Clock::now() - opening.tried_at);
    if (opening.told.source != opening.peer) told_ = std::make_unique<Endpoint>(opening.told.source);
    idle_timeout_ = service.tcp_idle_timeout.value_or(0ms);
    cancel();
    opening_.reset();
    state_ = State::relaying;
    relay();
}

// What the sockets know is asked of them, for an idle session is to be small.
std::optional<LiveFlow> Session::flow() const {
    if (state_ != State::relaying) return std::nullopt;
    const auto client = peer_endpoint(client_.fd);
    const auto backend = peer_endpoint(backend_.fd);
    if (!client || !backend) return std::nullopt;
    return LiveFlow{.service = record_->name(),
                    .path = path_,
                    .client = {Protocol::tcp, told_ ? *told_ : *client, local_endpoint(client_.fd)},
                    .backend = {Protocol::tcp, local_endpoint(backend_.fd), *backend},
                    .bytes_to_backend = up_.bytes,
                    .bytes_to_client = down_.bytes,
                    .age = std::chrono::duration_cast<std::chrono::milliseconds>(context_.now - began_)};
}

void Session::close_backend() {
    live_ = {};
    if (backend_.fd < 0) return;
    if (guarded_) context_.guard.forget(*guarded_);
    guarded_.reset();
    close(std::exchange(backend_.fd, -1));
}

void Session::refuse(Refusal refusal) {
    opening_->served.refuse(refusal);
    if (refusal == Refusal::loop) {
        opening_->served.record->report(refusal, [&] {
            return opening_->asked.str() +
                   " was asked by the gateway's own connection to a backend: the backend is "
                   "this service again. The connection was cut; correct the backend's address";
        });
    }
    reset_on_close(client_.fd);
    end();
}

void Session::relay() {
    const Moved up = context_.relay.move(up_, client_, backend_, counters_->bytes_to_backends);
    if (up == Moved::from_failed) return fail(client_);
    if (up == Moved::to_failed) return fail(backend_);
    const Moved down = context_.relay.move(down_, backend_, client_, counters_->bytes_to_clients);
    if (down == Moved::from_failed) return fail(backend_);
    if (down == Moved::to_failed) return fail(client_);
    if (up == Moved::ended && down == Moved::ended) return end();
    if (idle_timeout_.count() != 0) context_.timers.arm(*this, context_.now + idle_timeout_);
    if ((up == Moved::more || down == Moved::more) && !std::exchange(queued_, true)) context_.again.push_back(this);
}

// One side is gone. What it sent before is the other side's to have; what was for it is nobody's.
void Session::fail(Side& side) {
    client_broke_ = &side == &client_;
    context_.relay.drop(client_broke_ ? down_ : up_);
    side.readable = side.drain = true;  // the error stands behind the last byte
    state_ = State::resetting;
    reset_when_delivered();
}

void Session::reset_when_delivered() {
    Side& from = client_broke_ ? client_ : backend_;
    Side& to = client_broke_ ? backend_ : client_;
    Direction& direction = client_broke_ ? up_ : down_;
    Counter& bytes = client_broke_ ? counters_->bytes_to_backends : counters_->bytes_to_clients;
    const Moved moved = context_.relay.move(direction, from, to, bytes);
    const bool undeliverable = moved == Moved::to_failed || (to.drain && pending_error(to.fd) != 0);
    const bool delivered = direction.empty() && moved != Moved::more && unacknowledged_bytes(to.fd) == 0;
    if (undeliverable || delivered) return abort();
    context_.timers.arm(*this, context_.now + delivery_interval);
}

void Session::abort() {
    if (state_ == State::over) return;
    reset_on_close(client_.fd);
    if (backend_.fd >= 0) reset_on_close(backend_.fd);
    end();
}

void Session::end() {
    cancel();
    context_.relay.drop(up_);
    context_.relay.drop(down_);
    close_backend();
    close(std::exchange(client_.fd, -1));
    share_.reset();
    state_ = State::over;
    auto& sessions = context_.sessions;
    sessions.back()->place_ = place_;
    std::swap(sessions[place_], sessions.back());
    context_.ended.push_back(std::move(sessions.back()));
    sessions.pop_back();
}

}  // namespace hairpin::proxy
