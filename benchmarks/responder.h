// The backend of all measures but bulk: it costs next to nothing, so that what lies before it shows.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "lab/host.h"
#include "model/ip.h"

namespace hairpin::bench {

// The first byte of a datagram that is counted and not answered.
inline constexpr char one_way = '!';

// TCP: whatever is received at once is a request, and is answered with a short HTTP response; it closes when the client
// does. UDP: a datagram comes back as it came. One thread serves all; the counter may be read by any.
class Responder {
public:
    static Result<std::unique_ptr<Responder>> open(const lab::Host& host, const Endpoint& endpoint);
    ~Responder();  // closes everything
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;

    uint64_t datagrams() const { return datagrams_.load(std::memory_order_relaxed); }  // received so far

private:
    Responder() = default;
    void loop();
    void watch(int fd) const;
    void accept_all(std::set<int>& connections) const;
    static bool answer(int fd);  // false: the connection is over
    void answer_datagrams();

    Fd tcp_;
    Fd udp_;
    Fd stop_;
    Fd epoll_;
    std::atomic<uint64_t> datagrams_ = 0;
    std::thread thread_;
};

}  // namespace hairpin::bench
