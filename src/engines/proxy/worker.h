// One thread of the proxy engine: its listeners, its sessions, its event loop. Workers share nothing that traffic
// writes but the loop guard and a few atomics of a service: its turn of round robin, its UDP sessions, its throttles.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engines/proxy/context.h"
#include "engines/proxy/datagram.h"

namespace hairpin::proxy {

// What a worker is to serve: everything that it must listen on from now on.
struct Assignment {
    struct Socket {
        Served served;
        Fd fd;  // absent: the worker has a socket on this endpoint already
    };
    std::shared_ptr<const Desired> desired;
    std::vector<Socket> sockets;
};

class Worker {
    // A listening TCP socket. While descriptors are used up it rests: nobody is accepted, the queue waits.
    class TcpListener : private Timer {
    public:
        TcpListener(Worker& worker, const Served& served, Fd fd);
        ~TcpListener() override;
        void accept_all(int most);
        int fd() const { return fd_.get(); }
        Served served;

    private:
        void expired() override;
        void listen_to(uint32_t events);
        void shed();
        Worker& worker_;
        Fd fd_;
    };

    using Key = std::pair<Protocol, Endpoint>;
    struct Listeners {
        std::map<Key, std::unique_ptr<TcpListener>> tcp;
        std::map<Key, std::unique_ptr<DatagramListener>> udp;
    };

public:
    // Starts the thread, which serves nothing yet.
    static Result<std::unique_ptr<Worker>> start(size_t index, LoopGuard& guard);
    // Ends the thread; what lives is reset.
    ~Worker();

    // An assignment for which all memory has been taken. Dropped, it closes the new sockets, and nothing has happened.
    class Change {
        friend class Worker;
        Assignment assignment;
        Listeners listeners;  // null where the worker has one
    };
    // All that follows is the engine's thread's to call.
    Change prepare(Assignment assignment);
    // Replaces what the worker serves. Returns when it does. Cannot fail.
    void assign(Change change);
    // Ends the UDP sessions that hold a port which is to be listened on: those that call a backend from there.
    void end_sessions_from(const Endpoint& endpoint);
    // Its descriptors, which stay its own.
    void add_listening_sockets(std::vector<int>& sockets);
    // Another process that holds the same sockets listens from now on; ours stay open, for answers over UDP.
    void stop_listening();
    // Shows every connection and session that reached a backend. `visit` runs on the worker's thread.
    void flows(const std::function<void(const LiveFlow&)>& visit);
    // Resets the connections that `which` chooses, and says how many. It runs on the worker's thread.
    uint64_t end_connections(const std::function<bool(const LiveFlow&)>& which);

private:
    Worker(size_t index, LoopGuard& guard);
    void run();
    void dispatch(const epoll_event& event);
    void go_on_with_unfinished();
    void tell(const std::function<void()>& order);
    bool take_order();
    void take(Change& change);
    void each_session(const std::function<void(Session&)>& visit);

    Context context_;
    Fd wake_;
    bool woken_ = false;       // the engine has an order
    Fd reserve_;               // given up for a moment to accept, and refuse, a client when no descriptor is left
    DatagramBatch batch_;      // from clients
    DatagramReplies replies_;  // from backends
    Listeners listeners_;

    uint32_t listings_ = 0;  // how often flows() was asked

    std::mutex mutex_;                              // guards what follows
    const std::function<void()>* order_ = nullptr;  // until it is carried out
    bool stop_ = false;
    std::condition_variable carried_out_;

    std::thread thread_;
};

}  // namespace hairpin::proxy
