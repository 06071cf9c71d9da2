#include "engines/proxy/worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <limits>
#include <new>
#include <system_error>

#include "engines/proxy/session.h"
#include "net/socket.h"

namespace hairpin::proxy {
namespace {

using namespace std::chrono_literals;

constexpr int accepted_a_turn = 64;
constexpr auto rest_without_descriptors = 100ms;
constexpr size_t events_a_batch = 256;
constexpr size_t sessions_a_turn = 256;

void watch_or_report(const Context& context, const Served& served, int fd, const void* listener, Tag tag) {
    if (watch(context, fd, EPOLLIN, listener, tag)) return;
    const ConnectFailure failure = ConnectFailure::of(errno);
    served.record->report(failure.refusal, [&] {
        return served.listen.endpoint.str() + " is not served: " + failure.advice(served.listen.protocol);
    });
}

Fd open_reserve() { return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Worker::TcpListener::TcpListener(Worker& worker, const Served& served_endpoint, Fd fd)
    : served(served_endpoint), worker_(worker), fd_(std::move(fd)) {}

// Another process may hold the socket, which then would go on raising events for who is no more.
Worker::TcpListener::~TcpListener() { unwatch(worker_.context_, fd_.get()); }

void Worker::TcpListener::accept_all(int most) {
    for (int i = 0; i < most; ++i) {
        SockAddr peer;
        socklen_t size = SockAddr::capacity();
        Fd client(accept4(fd_.get(), peer.get(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!client) {
            if (errno == EAGAIN) return;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return shed();
            continue;  // this one client failed before we came to it
        }
        try {
            Session::begin(worker_.context_, served, std::move(client), peer.endpoint());
        } catch (const std::bad_alloc&) {
            served.refuse(Refusal::memory);
        }
    }
}

// No descriptor is left. Those who wait are told so at once, through the one held in reserve; then the listener rests,
// for the shortage may be the whole system's. Another worker may catch the descriptor between our giving it up and
// using it: then all who wait are reset together, which takes none.
void Worker::TcpListener::shed() {
    const ConnectFailure failure = ConnectFailure::of(errno);
    for (int i = 0; i < accepted_a_turn; ++i) {
        worker_.reserve_.reset();
        const Fd client(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client) {
            reset_on_close(client.get());
            served.refuse(failure.refusal);
        } else {
            if (errno != EAGAIN) served.refuse(failure.refusal, reset_waiting_clients(fd_.get()));
            break;
        }
    }
    worker_.reserve_ = open_reserve();
    served.record->report(failure.refusal,
                          [&] { return std::string("a client was refused: ") + failure.advice(Protocol::tcp); });
    listen_to(0);
    worker_.context_.timers.arm(*this, worker_.context_.now + rest_without_descriptors);
}

void Worker::TcpListener::expired() { listen_to(EPOLLIN); }

void Worker::TcpListener::listen_to(uint32_t events) {
    epoll_event event = event_for(events, this, Tag::tcp_listener);
    epoll_ctl(worker_.context_.epoll.get(), EPOLL_CTL_MOD, fd_.get(), &event);
}

Worker::Worker(size_t index, LoopGuard& guard) : context_(index, guard) {}

Result<std::unique_ptr<Worker>> Worker::start(size_t index, LoopGuard& guard) {
    std::unique_ptr<Worker> worker(new Worker(index, guard));
    worker->context_.epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
    worker->wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    worker->reserve_ = open_reserve();
    if (!worker->context_.epoll || !worker->wake_ || !worker->reserve_ ||
        !watch(worker->context_, worker->wake_.get(), EPOLLIN, worker.get(), Tag::wake)) {
        return system_error("starting a worker of the proxy engine");
    }
    try {
        worker->thread_ = std::thread(&Worker::run, worker.get());
    } catch (const std::system_error& failure) {
        return system_error("starting thread " + std::to_string(index + 1) +
                                " of the proxy engine (TasksMax= in the unit and ulimit -u limit them; see threads:)",
                            failure.code().value());
    }
    return worker;
}

Worker::~Worker() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

Worker::Change Worker::prepare(Assignment assignment) {
    Change change;
    for (Assignment::Socket& socket : assignment.sockets) {
        const Listen& listen = socket.served.listen;
        const Key key(listen.protocol, listen.endpoint);
        const bool kept = !socket.fd;
        if (listen.protocol == Protocol::tcp) {
            auto& listener = change.listeners.tcp[key];
            if (!kept) listener = std::make_unique<TcpListener>(*this, socket.served, std::move(socket.fd));
        } else {
            auto& listener = change.listeners.udp[key];
            if (!kept) listener = std::make_unique<DatagramListener>(context_, socket.served, std::move(socket.fd));
        }
    }
    change.assignment = std::move(assignment);
    return change;
}

void Worker::assign(Change change) {
    tell([&] { take(change); });
}

void Worker::end_sessions_from(const Endpoint& endpoint) {
    tell([&] {
        for (const auto& [key, listener] : listeners_.udp) listener->end_sessions_from(endpoint);
    });
}

void Worker::add_listening_sockets(std::vector<int>& sockets) {
    tell([&] {
        for (const auto& [key, listener] : listeners_.tcp) sockets.push_back(listener->fd());
        for (const auto& [key, listener] : listeners_.udp) sockets.push_back(listener->fd());
    });
}

void Worker::stop_listening() {
    tell([&] {
        for (const auto& [key, listener] : listeners_.tcp) unwatch(context_, listener->fd());
        for (const auto& [key, listener] : listeners_.udp) unwatch(context_, listener->fd());
    });
}

// Connections are shown some at a time, for traffic must not wait for all. From the last to the first: where one ends
// meanwhile, the last takes its place, which may show it twice but never hides it.
void Worker::each_session(const std::function<void(Session&)>& visit) {
    const auto& sessions = context_.sessions;
    const uint32_t listing = ++listings_;
    size_t left = std::numeric_limits<size_t>::max();
    while (left > 0) {
        tell([&] {
            left = std::min(left, sessions.size());
            for (const size_t end = left - std::min(left, sessions_a_turn); left > end; --left) {
                Session& session = *sessions[left - 1];
                if (std::exchange(session.listed, listing) != listing) visit(session);
            }
        });
    }
}

uint64_t Worker::end_connections(const std::function<bool(const LiveFlow&)>& which) {
    uint64_t ended = 0;
    each_session([&](Session& session) {
        const auto flow = session.flow();
        if (!flow || !which(*flow)) return;
        session.abort();
        ++ended;
    });
    return ended;
}

void Worker::flows(const std::function<void(const LiveFlow&)>& visit) {
    each_session([&](const Session& session) {
        if (const auto flow = session.flow()) visit(*flow);
    });
    tell([&] {
        for (const auto& [key, listener] : listeners_.udp) {
            for (const auto& [client, session] : listener->sessions()) visit(session->flow());
        }
    });
}

// Has the worker's thread carry out an order, and returns when it has; throws what the order throws.
void Worker::tell(const std::function<void()>& order) {
    std::exception_ptr failure;
    const std::function<void()> attempt = [&] {
        try {
            order();
        } catch (...) {
            failure = std::current_exception();
        }
    };
    {
        std::unique_lock lock(mutex_);
        order_ = &attempt;
        eventfd_write(wake_.get(), 1);
        carried_out_.wait(lock, [&] { return order_ == nullptr; });
    }
    if (failure) std::rethrow_exception(failure);
}

void Worker::run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);  // signals are the daemon's; and splice() raises SIGPIPE
    pthread_setname_np(pthread_self(), ("proxy/" + std::to_string(context_.worker)).c_str());

    std::array<epoll_event, events_a_batch> events;
    for (bool stop = false; !stop;) {
        const int timeout = context_.again.empty() ? context_.timers.poll_timeout(context_.now) : 0;
        const int count = epoll_wait(context_.epoll.get(), events.data(), events.size(), timeout);
        context_.now = std::chrono::steady_clock::now();
        for (int i = 0; i < count; ++i) {
            try {
                dispatch(events[static_cast<size_t>(i)]);
            } catch (const std::bad_alloc&) {
                // Of a session there is nothing left to do; of datagrams, those at hand are lost.
            }
        }
        replies_.send();
        go_on_with_unfinished();
        // From here on no event of this batch can name what ends now.
        context_.timers.advance(context_.now);
        if (std::exchange(woken_, false)) stop = take_order();
        std::erase_if(context_.ended, [](const auto& session) { return !session->queued(); });
    }
    while (!context_.sessions.empty()) context_.sessions.back()->abort();
    listeners_.tcp.clear();
    listeners_.udp.clear();
}

void Worker::dispatch(const epoll_event& event) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): event_for() put the tag into the pointer's free bits
    void* subject = reinterpret_cast<void*>(event.data.u64 & ~tag_mask);
    switch (static_cast<Tag>(event.data.u64 & tag_mask)) {
        case Tag::wake: {
            eventfd_t count = 0;
            eventfd_read(wake_.get(), &count);
            woken_ = true;
            return;
        }
        case Tag::tcp_listener:
            return static_cast<TcpListener*>(subject)->accept_all(accepted_a_turn);
        case Tag::client_side:
            return static_cast<Session*>(subject)->on_client_event(event.events);
        case Tag::backend_side:
            return static_cast<Session*>(subject)->on_backend_event(event.events);
        case Tag::udp_listener:
            return static_cast<DatagramListener*>(subject)->on_event(batch_);
        case Tag::udp_session:
            return static_cast<DatagramSession*>(subject)->on_event(replies_);
    }
}

void Worker::go_on_with_unfinished() {
    auto& again = context_.again;
    const auto unfinished = static_cast<std::ptrdiff_t>(again.size());  // they may queue up once more, behind these
    for (std::ptrdiff_t i = 0; i < unfinished; ++i) again[static_cast<size_t>(i)]->go_on();
    again.erase(again.begin(), again.begin() + unfinished);
}

// True: the engine wants the worker to end.
bool Worker::take_order() {
    const std::lock_guard lock(mutex_);
    if (order_) {
        (*order_)();
        order_ = nullptr;
        carried_out_.notify_one();
    }
    return stop_;
}

// Takes no memory.
void Worker::take(Change& change) {
    std::swap(listeners_, change.listeners);
    Listeners& old = change.listeners;
    for (const Assignment::Socket& socket : change.assignment.sockets) {
        const Served& served = socket.served;
        const Key key(served.listen.protocol, served.listen.endpoint);
        if (served.listen.protocol == Protocol::tcp) {
            auto& listener = listeners_.tcp.at(key);
            if (listener)
                watch_or_report(context_, served, listener->fd(), listener.get(), Tag::tcp_listener);
            else
                listener = std::move(old.tcp.at(key));
            listener->served = served;
        } else {
            auto& listener = listeners_.udp.at(key);
            if (listener)
                watch_or_report(context_, served, listener->fd(), listener.get(), Tag::udp_listener);
            else
                listener = std::move(old.udp.at(key));
            listener->serve(served, *change.assignment.desired);
        }
    }
    // Clients that wait in the queue of an endpoint that goes were accepted by the kernel: they are served.
    for (auto& [key, listener] : old.tcp) {
        if (listener) listener->accept_all(std::numeric_limits<int>::max());
    }
    old.tcp.clear();
    old.udp.clear();
    context_.desired = change.assignment.desired;
}

}  // namespace hairpin::proxy
