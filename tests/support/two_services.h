// Two services of two servers, and what the first of them sees of its clients where packets are translated.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── switch ──┬── server1 10.0.0.2
//                                                            ╰── server2 10.0.0.3
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "lab/prober.h"
#include "support/test_lab.h"
#include "support/udp.h"

namespace hairpin {

inline constexpr std::string_view two_services = R"(
services:
  srv1: {listen: "1.0.0.1:5432", backends: "10.0.0.2:54321", protocol: both}
  srv2: {listen: "1.0.0.1:1234", backends: "10.0.0.3:12345", protocol: both}
)";

// As whom server1 sees a client of its service; or why there is no answer.
inline std::string seen_from(const TestLab& lab, const char* host, const char* client, Protocol protocol) {
    const Leg leg = {protocol, at(client), at("1.0.0.1:5432")};
    const auto answer = lab::ask(lab->host(host), leg, ProxyHeader::none, patience);
    return answer ? answer->greeting.leg.source.ip.str() : answer.error().message;
}

inline void expect_service(const TestLab& lab) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        EXPECT_EQ(seen_from(lab, "client", "1.0.0.100", protocol), "1.0.0.100") << name(protocol);
        EXPECT_EQ(seen_from(lab, "server2", "10.0.0.3", protocol), "1.0.0.1") << name(protocol);
        EXPECT_EQ(seen_from(lab, "server1", "10.0.0.2", protocol), "1.0.0.1") << name(protocol);
        EXPECT_EQ(seen_from(lab, "gateway", "1.0.0.1", protocol), "1.0.0.1") << name(protocol);
    }
}

}  // namespace hairpin
