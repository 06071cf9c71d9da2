// What came to each backend of a service is counted by the path that it took, in either family and protocol.
//
//   client 1.0.0.100, 2001:db8::100 ── gateway ──┬── server1 10.0.0.2, server2 fd00::2
//                                                ╰── peer 10.0.0.50, fd00::50
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr std::string_view yaml = R"(
services:
  both: {listen: ["1.0.0.1:1053", "1.0.0.1:2053"], backends: "10.0.0.2:5300", protocol: both}
  range: {listen: "[2001:db8::1]:1053-1054", backends: ["[fd00::2]:5300-5301"], protocol: udp}
)";

class BackendCounts : public testing::TestWithParam<std::string> {};

TEST_P(BackendCounts, AreByPathInEitherFamilyAndProtocol) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    need_programs({"curl"});
    if (IsSkipped()) return;
    const Fd listener = listen_on(lab->host("server1"), at("10.0.0.2:5300"));
    for (const char* service : {"1.0.0.1:1053", "1.0.0.1:2053"}) {
        const Meeting met = meet(lab->host("client"), at(service), {&listener});
        ASSERT_TRUE(met.conversation) << strerror(met.refused_with);
    }
    const UdpSocket datagrams(lab->host("server1"), at("10.0.0.2:5300"));
    exchange(UdpSocket(lab->host("client"), at("1.0.0.100:20000")), at("1.0.0.1:1053"), datagrams);
    const UdpSocket second_port(host_with(lab, at("fd00::2")), at("[fd00::2]:5301"));
    exchange(UdpSocket(host_with(lab, at("fd00::50")), at("[fd00::50]:20000")), at("[2001:db8::1]:1054"), second_port);

    const auto counted = [&] {
        const auto stats = json::parse(
            output_of(lab->host("gateway"), {"curl", "-sS", "--unix-socket", lab.socket(), "http://hairpin/v1/stats"}));
        json backends;
        for (const json& service : stats.at("services")) backends[service.at("service")] = service.at("backends");
        return backends;
    };
    const json expected = {
        {"both", {{{"backend", "10.0.0.2:5300"}, {"path", "external"}, {"accepted", 3}}}},
        {"range", {{{"backend", "[fd00::2]:5300-5301"}, {"path", "peer"}, {"accepted", 1}}}},
    };
    EXPECT_TRUE(wait_for([&] { return counted() == expected; })) << counted().dump();
}

INSTANTIATE_TEST_SUITE_P(Every, BackendCounts, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
