// What an operator reads where a backend could not be reached.
#include "engines/proxy/connect_failure.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace hairpin::proxy {
namespace {

Leg leg(Protocol protocol) { return {protocol, *Endpoint::parse("1.0.0.1:40000"), *Endpoint::parse("10.0.0.2:53")}; }

bool says(const std::string& text, std::string_view words) { return text.find(words) != text.npos; }

TEST(ConnectFailure, WithoutPortsNamesWhatHelpsThatProtocol) {
    const ConnectFailure failure = ConnectFailure::of(EAGAIN);
    EXPECT_EQ(failure.refusal, Refusal::ports);
    const std::string tcp = failure.describe(leg(Protocol::tcp));
    const std::string udp = failure.describe(leg(Protocol::udp));
    for (const std::string& text : {tcp, udp}) {
        EXPECT_TRUE(text.starts_with("backend 10.0.0.2:53: no source port")) << text;
        EXPECT_TRUE(says(text, "net.ipv4.ip_local_port_range")) << text;
    }
    // Ports are kept apart by backend over TCP only, and nothing of UDP waits in TIME_WAIT.
    EXPECT_TRUE(says(tcp, "tcp_tw_reuse") && says(tcp, "add backends")) << tcp;
    EXPECT_FALSE(says(udp, "tcp_tw_reuse") || says(udp, "add backends")) << udp;
    EXPECT_TRUE(says(udp, "idle_timeout")) << udp;
}

}  // namespace
}  // namespace hairpin::proxy
