// UDP as the tests speak it: plain unconnected sockets on the hosts of a lab, which show who sent what.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/noise.h"
#include "support/test_lab.h"

namespace hairpin {

// The largest payloads: RFC 768 over RFC 791, and over RFC 8200, whose length does not count the IP header.
inline constexpr size_t largest_over_v4 = 65507;
inline constexpr size_t largest_over_v6 = 65527;

struct Datagram {
    Endpoint from;
    std::string payload;

    bool operator==(const Datagram&) const = default;
};
void PrintTo(const Datagram& datagram, std::ostream* out);

// "1.0.0.1:53" or "1.0.0.1", whose port is 0. Precondition: a literal that parses.
Endpoint at(std::string_view endpoint);

// Unconnected, so it takes datagrams from anybody and hears of no ICMP error, as a server's socket does.
class UdpSocket {
public:
    // Port 0: any free one. Where it cannot be bound the test fails.
    UdpSocket(const lab::Host& host, const Endpoint& local);

    Endpoint local() const { return local_; }
    int fd() const { return fd_.get(); }
    void send(const Endpoint& to, std::string_view payload) const;
    std::optional<Datagram> receive(std::chrono::milliseconds timeout = patience) const;
    // True if nothing waits to be read. Says something only after a datagram that cannot have overtaken.
    bool is_empty() const { return !receive(std::chrono::milliseconds(0)); }
    void close() { fd_.reset(); }

private:
    Fd fd_;
    Endpoint local_;
};

// The client asks, the backend answers with other bytes; both must come whole and from where they should. Returns what
// the backend saw the client as.
Endpoint exchange(const UdpSocket& client, const Endpoint& service, const UdpSocket& backend,
                  std::string_view question = "question");

// All of these come next, and in this order unless that is not asked.
void expect_all(const UdpSocket& receiver, const Endpoint& from, std::vector<std::string> all, bool in_order = true);

// Who holds the endpoint's address: the plan decides which backend is "server1".
const lab::Host& host_with(const TestLab& lab, const Endpoint& endpoint);

// One of the host's counters, such as {"Icmp", "InMsgs"} of /proc/net/snmp and netstat, or {"Icmp6", "InMsgs"} of
// snmp6.
uint64_t kernel_counter(const lab::Host& host, const std::string& group, const std::string& name);

// Tests that any engine must pass: the parameter is its name.
class UdpTest : public testing::TestWithParam<std::string> {
protected:
    // Without servers: the tests' own sockets are the backends.
    static TestLab make_lab(std::string_view yaml) { return TestLab(yaml, GetParam(), TestLab::Backends::none); }

    // What the engine can do.
    static bool joins_families() { return abilities_of(GetParam()).cross_family; }
    static bool keeps_clients() { return abilities_of(GetParam()).foreign_source; }

    // What takes xdp's longer way may be overtaken (decision 0013).
    static bool keeps_order() { return GetParam() != "xdp"; }
};

}  // namespace hairpin
