// A TCP server for load: it sends back what it receives, and costs little.
#pragma once

#include <thread>

#include "base/fd.h"
#include "lab/host.h"
#include "model/ip.h"

namespace hairpin {

// Serves from a thread of its own as long as it lives. Holds a descriptor for each connection, none of their bytes: it
// is for clients that wait for their echo before they say more.
class EchoServer {
public:
    EchoServer(const lab::Host& host, const Endpoint& endpoint);
    ~EchoServer();
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;

private:
    void loop() const;

    const Fd listener_;
    const Fd stop_;  // readable: the thread shall end
    std::thread thread_;
};

}  // namespace hairpin
