// A TCP server for load: it sends back what it receives, and costs little.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "base/fd.h"
#include "lab/host.h"
#include "model/ip.h"

namespace hairpin {

// Serves from a thread of its own as long as it lives. Holds a descriptor for each connection, none of their bytes: it
// is for clients that wait for their echo before they say more.
class EchoServer {
public:
    // `greeting`: what each client hears first.
    EchoServer(const lab::Host& host, const Endpoint& endpoint, std::string greeting = {});
    ~EchoServer();
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;

    size_t accepted() const { return accepted_; }  // connections, so far

private:
    void loop();

    const Fd listener_;
    const std::string greeting_;
    const Fd stop_;  // readable: the thread shall end
    std::atomic<size_t> accepted_ = 0;
    std::thread thread_;
};

}  // namespace hairpin
