// The lab's backends: TCP and UDP servers that say who they are and whom they saw, and then echo.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>

#include "lab/host.h"
#include "lab/plan.h"

namespace hairpin::lab {

// TCP: after the client's first byte (and its PROXY header, if it sends one) a Greeting and an end of line, then every
// byte after the header, until the client ends. UDP: for every datagram one of the Greeting, an end of line and the
// payload; a datagram that leaves no room for the Greeting comes back alone.
//
// One thread serves all sockets of all hosts: a socket belongs to the namespace that it was opened in, whoever uses it.
class Servers {
public:
    Servers();
    ~Servers();  // closes everything
    Servers(const Servers&) = delete;
    Servers& operator=(const Servers&) = delete;

    // Before start().
    Result<> add(const Host& host, const std::string& host_name, const ServerPlan& server);
    void start();

private:
    struct Server {
        std::string host;
        ServerPlan plan;
        Fd socket;
    };
    struct Connection {
        const Server* server = nullptr;
        Fd socket;
        std::string in;   // up to the end of a PROXY header
        std::string out;  // not yet sent
        bool greeted = false;
        bool ended = false;  // the client will send no more
    };

    void loop();
    void accept_from(const Server& server);
    void answer_datagrams(const Server& server) const;
    void serve(Connection& connection);
    // False: the connection is over.
    static bool exchange(Connection& connection);
    static void greet(Connection& connection);
    void watch(int fd, uint32_t events) const;

    Fd epoll_;
    Fd stop_;
    std::unordered_map<int, Server> servers_;          // by descriptor
    std::unordered_map<int, Connection> connections_;  // likewise
    std::thread thread_;
};

}  // namespace hairpin::lab
