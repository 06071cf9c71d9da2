#include "engines/proxy/datagram.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "model/admission.h"
#include "net/socket.h"

namespace hairpin::proxy {
namespace {

// Large datagrams are fragmented as the client's host would have done; we are no place to discover a path's MTU.
void allow_fragments(int fd, Family family) {
    if (family == Family::v4)
        set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    else
        set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

// RFC 768 in RFC 791, whose length counts the IP header, and in RFC 8200, whose length does not.
constexpr size_t largest_payload(Family family) { return family == Family::v4 ? 65507 : 65527; }

// A flood of errors on a socket must not hold the worker.
constexpr int batches_an_event = 4;

}  // namespace

DatagramSession::DatagramSession(Context& context, DatagramListener& listener, const DatagramKey& key,
                                 const SockAddr& peer)
    : context_(context),
      listener_(listener),
      key_(key),
      peer_(peer),
      record_(*listener.served_.record),
      counters_(*listener.served_.counters),
      idle_timeout_(listener.served_.listen.service->idle_timeout),
      began_(context.now) {
    counters_.active.add();
    within_limit_ =
        record_.sessions.fetch_add(1, std::memory_order_relaxed) < listener.served_.listen.service->max_sessions;
}

DatagramSession::~DatagramSession() {
    if (guarded_) context_.guard.forget(leg_);
    counters_.active.subtract();
    record_.sessions.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<ConnectFailure> DatagramSession::open() {
    const Service& service = *listener_.served_.listen.service;
    const Leg client = {Protocol::udp, key_.told.source, {key_.asked, listener_.served_.listen.endpoint.port}};
    Attempts attempts = listener_.served_.attempts(client.source.ip);
    if (attempts.none()) return ConnectFailure{.refusal = listener_.served_.nobody()};
    std::optional<ConnectFailure> failure = ConnectFailure::of(EHOSTUNREACH);
    while (const auto choice = attempts.next()) {
        const auto flow =
            translate(context_.desired->ruleset, context_.desired->topology, client, *choice, proxy_abilities);
        if (!flow) return ConnectFailure::of(EHOSTUNREACH);
        live_ = listener_.served_.live_at(*choice);
        failure = try_connect(flow->backend);
        if (!failure) {
            header_ = write_proxy_header(service.send_proxy, Protocol::udp, key_.told, header_space_);
            path_ = flow->path;
            listener_.served_.accepted(*choice, path_);
            stay_alive();
            return std::nullopt;
        }
        record_.report(failure->refusal, [&] { return failure->describe(flow->backend); });
        if (failure->refusal == Refusal::descriptors) break;
    }
    return failure;
}

std::optional<ConnectFailure> DatagramSession::try_connect(const Leg& leg) {
    backend_ = open_socket(Protocol::udp, leg.destination.ip.family());
    if (!backend_) return ConnectFailure::of(errno);
    allow_fragments(backend_.get(), leg.destination.ip.family());
    join_received(backend_.get());
    if (!leg.source.ip.is_unspecified() && !bind_source(backend_.get(), leg.source)) {
        return ConnectFailure::of_source(errno);
    }
    const SockAddr destination(leg.destination);
    if (connect(backend_.get(), destination.get(), destination.size()) != 0) return ConnectFailure::of(errno);
    if (!watch(context_, backend_.get(), EPOLLIN, this, Tag::udp_session)) return ConnectFailure::of(errno);
    leg_ = {Protocol::udp, local_endpoint(backend_.get()), leg.destination};
    guarded_ = may_lead_to_us(context_.desired->ruleset, Protocol::udp, leg.destination);
    if (guarded_) context_.guard.remember(leg_);
    return std::nullopt;
}

LiveFlow DatagramSession::flow() const {
    return {.service = record_.name(),
            .path = path_,
            .client = {Protocol::udp, key_.told.source, {key_.asked, listener_.served_.listen.endpoint.port}},
            .backend = leg_,
            .bytes_to_backend = bytes_to_backend_,
            .bytes_to_client = bytes_to_client_,
            .age = std::chrono::duration_cast<std::chrono::milliseconds>(context_.now - began_)};
}

void DatagramSession::forward(DatagramBatch& batch, size_t first, size_t last) {
    DatagramBatch::Run run{first, last, {largest_joined_to_backend_, header_}};
    batch.send(backend_.get(), {&run, 1});
    const DatagramBatch::Sent& sent = run.sent;
    counters_.bytes_to_backends.add(sent.bytes);
    bytes_to_backend_ += sent.bytes;
    if (sent.oversize > 0) {
        refuse_oversize(sent.oversize, largest_payload(leg_.source.ip.family()) - header_.size(),
                        header_.empty() ? "backend" : "backend with its PROXY header");
    }
    if (sent.no_room > 0) report_no_room(sent.no_room, "backend");
    if (sent.errors > 0) report_backend(sent.errors, sent.last_error);
    stay_alive();
}

void DatagramSession::report_no_room(size_t count, std::string_view towards) {
    counters_.refused[static_cast<size_t>(Refusal::memory)].add(count);
    record_.report(Refusal::memory, [&] {
        return "datagrams of the session of " + key_.told.source.str() + " to the " + std::string(towards) +
               " were dropped: they come faster than they can be sent, or net.core.wmem_default is too small";
    });
}

void DatagramSession::report_backend(size_t count, int error_number) {
    counters_.refused[static_cast<size_t>(Refusal::backend)].add(count);
    record_.report(Refusal::backend, [&] {
        return "backend " + leg_.destination.str() + ": " + describe_errno(error_number) +
               "; its sessions go on, and their datagrams are lost until it is back";
    });
}

void DatagramSession::refuse_oversize(size_t count, size_t fit, std::string_view towards) {
    counters_.refused[static_cast<size_t>(Refusal::oversize)].add(count);
    record_.report(Refusal::oversize, [&] {
        return "a datagram of the session of " + key_.told.source.str() + " is too large to be sent on to the " +
               std::string(towards) + "; " + std::to_string(fit) + " bytes fit";
    });
}

void DatagramSession::on_event(DatagramReplies& replies) {
    DatagramBatch& batch = replies.batch_with_room();
    const size_t first = batch.size();
    const size_t wanted = std::min(wanted_, batch.room());
    const size_t received = batch.receive(backend_.get(), wanted);
    if (batch.receive_error() != 0) report_backend(1, batch.receive_error());
    // Most answers come alone, and the call that finds no second one is saved. What waits on is another event.
    wanted_ = received < wanted ? std::max<size_t>(received, 1) : std::min(2 * wanted_, DatagramBatch::most_messages);
    if (received == 0) return;
    const auto from = listener_.is_wildcard() ? std::optional(key_.asked) : std::nullopt;
    replies.add(*this, listener_.fd(), {first, batch.size(), {largest_joined_to_client_, {}, &peer_, from}});
    stay_alive();
}

void DatagramSession::on_replied(const DatagramBatch::Sent& sent) {
    counters_.bytes_to_clients.add(sent.bytes);
    bytes_to_client_ += sent.bytes;
    if (sent.oversize > 0) refuse_oversize(sent.oversize, largest_payload(key_.peer.ip.family()), "client");
    if (sent.no_room > 0) report_no_room(sent.no_room, "client");
}

void DatagramSession::stay_alive() { context_.timers.arm(*this, context_.now + idle_timeout_); }

void DatagramSession::expired() {
    listener_.sessions_.erase(DatagramKey(key_));  // and with it this
}

DatagramListener::DatagramListener(Context& context, const Served& served_endpoint, Fd fd)
    : served_(served_endpoint), context_(context), fd_(std::move(fd)) {
    const Family family = served_.listen.endpoint.ip.family();
    allow_fragments(fd_.get(), family);
    join_received(fd_.get());
    if (is_wildcard()) tell_destinations(fd_.get(), family);
}

// As with TCP: another process may hold the socket.
DatagramListener::~DatagramListener() { unwatch(context_, fd_.get()); }

void DatagramListener::on_event(DatagramBatch& batch) {
    for (int round = 0; round < batches_an_event; ++round) {
        batch.clear();
        const size_t received = batch.receive(fd(), DatagramBatch::most_messages);
        const size_t count = batch.size();
        for (size_t i = 0; i < count;) {
            const size_t first = i++;
            const Endpoint peer = batch.source(first);
            const Ip asked = is_wildcard() ? batch.destination(first).value_or(Ip()) : served_.listen.endpoint.ip;
            ProxyAddresses told = {peer, {asked, served_.listen.endpoint.port}};
            const bool trusted = expects_header(*served_.listen.service, peer.ip);
            if (trusted && !read_header(batch, first, told)) continue;
            const uint32_t link = batch.source_address(first).link();
            DatagramSession* session = find_or_open({peer, told, asked, link}, batch.source_address(first));
            if (!session) continue;
            // What the same client sent next goes with it, in one call. Behind a proxy each may be another client's.
            while (!trusted && i < count && batch.alike(first, i)) ++i;
            session->forward(batch, first, i);
        }
        if (received < DatagramBatch::most_messages) return;
    }
}

void DatagramListener::serve(const Served& changed, const Desired& desired) {
    const bool same =
        changed.record == served_.record && treats_alike(*served_.listen.service, *changed.listen.service);
    served_ = changed;
    const Endpoint& asked = served_.listen.endpoint;
    const EndpointRange& range = *desired.ruleset.find(Protocol::udp, asked)->listen;
    std::erase_if(sessions_, [&](const auto& entry) {
        const Leg& leg = entry.second->leg_;
        return !same || !admits(*served_.listen.service, entry.first.told.source.ip) ||
               !leads_to(*served_.listen.service, range, asked.port, leg.destination) ||
               !desired.topology.owns(leg.source.ip);
    });
}

void DatagramListener::end_sessions_from(const Endpoint& endpoint) {
    std::erase_if(sessions_, [&](const auto& entry) {
        const Endpoint& source = entry.second->leg_.source;
        const bool all = endpoint.ip == Ip::any(source.ip.family());
        return source.port == endpoint.port && (all || source.ip == endpoint.ip);
    });
}

bool DatagramListener::read_header(DatagramBatch& batch, size_t i, ProxyAddresses& told) {
    const ProxyParse header = parse_proxy_header(batch.payload(i), Protocol::udp);
    if (header.status != ProxyParse::Status::complete) {
        served_.refuse(Refusal::proxy_header);
        served_.record->report(Refusal::proxy_header, [&] {
            return "a datagram from " + batch.source(i).str() +
                   ", which is in accept_from, has no valid PROXY header: " + std::string(header.error);
        });
        return false;
    }
    batch.skip(i, header.size);
    if (header.addresses) told = *header.addresses;
    return true;
}

DatagramSession* DatagramListener::find_or_open(const DatagramKey& key, const SockAddr& peer) {
    if (const auto known = sessions_.find(key); known != sessions_.end()) return known->second.get();
    if (context_.guard.is_ours({Protocol::udp, key.peer, {key.asked, served_.listen.endpoint.port}})) {
        served_.refuse(Refusal::loop);
        served_.record->report(Refusal::loop, [&] {
            return served_.listen.endpoint.str() +
                   " was asked by the gateway's own session with a backend: the backend "
                   "is this service again. Correct the backend's address";
        });
        return nullptr;
    }
    if (!admits(*served_.listen.service, key.told.source.ip)) {
        served_.refuse(Refusal::denied);
        return nullptr;
    }
    std::unique_ptr<FlowLimits::Share> share;
    if (!served_.within_limits(*context_.desired, key.told.source.ip, context_.now, share)) {
        served_.refuse(Refusal::limits);
        return nullptr;
    }
    auto session = std::make_unique<DatagramSession>(context_, *this, key, peer);
    session->share_ = std::move(share);
    if (!session->within_limit()) {
        served_.refuse(Refusal::sessions);
        served_.record->report(Refusal::sessions, [&] {
            return "all " + std::to_string(served_.listen.service->max_sessions) +
                   " UDP sessions are in use; raise max_sessions or shorten idle_timeout";
        });
        return nullptr;
    }
    if (const auto failure = session->open()) {
        served_.refuse(failure->refusal);
        return nullptr;
    }
    return sessions_.emplace(key, std::move(session)).first->second.get();
}

}  // namespace hairpin::proxy
