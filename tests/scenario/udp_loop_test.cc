// A loop over UDP that appears while the gateway runs is cut, and says so: the proxy engine's loop guard. With engines
// that translate packets there is none.
//
// The backends' address moves to the gateway itself, whose services listen on all addresses. Every datagram would come
// back as a new client, and open one more session, until descriptors or ports are used up.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <numeric>
#include <tuple>

#include "support/kernel_engines.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr uint64_t times = 20;

// Asks on and on. A client of the gateway's own must be turned away before descriptors are used up.
void ask(const TestLab& lab, const UdpSocket& client, const Endpoint& service,
         const std::function<uint64_t()>& refused) {
    const uint64_t before = refused();
    for (uint64_t i = 0; i < times; ++i) client.send(service, "round and round");
    EXPECT_TRUE(wait_for([&] { return refused() - before == times; })) << refused() - before << lab->daemon_log();
    EXPECT_LT(descriptors_of(lab->daemon().pid()), 50u);
    EXPECT_TRUE(lab.logs("asked by the gateway's own session"));
}

// The backend's address becomes the gateway's own.
void move_to_gateway(const TestLab& lab, const std::string& address) {
    ASSERT_TRUE(lab.follows([&] { command(lab->host("gateway"), "ip address add " + address + " dev lo"); }));
}

// `outside` gives the gateway the address that the client asks.
constexpr std::string_view yaml = R"(
services:
  outside: {listen: ["1.0.0.1:9", "[2001:db8::1]:9"], backends: "10.0.0.3:9"}
  loop4: {listen: "0.0.0.0:1044", backends: "10.0.0.99:1044", protocol: udp}
  loop6: {listen: "[::]:1066", backends: "[fd00::99]:1066", protocol: udp}
  there: {listen: "0.0.0.0:1001", backends: "10.0.0.99:1002", protocol: udp}
  back: {listen: "0.0.0.0:1002", backends: "10.0.0.99:1001", protocol: udp}
)";

TEST(UdpLoop, OfAServiceWithItselfIsCut) {
    const TestLab lab(yaml, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    move_to_gateway(lab, "10.0.0.99/32");
    ask(lab, UdpSocket(lab->host("client"), at("1.0.0.100")), at("1.0.0.1:1044"),
        [&] { return lab.stats("loop4").refused_for(Refusal::loop); });
    EXPECT_EQ(lab.stats("loop4").active, 1u);
    move_to_gateway(lab, "fd00::99/128");
    ask(lab, UdpSocket(lab->host("client"), at("2001:db8::100")), at("[2001:db8::1]:1066"),
        [&] { return lab.stats("loop6").refused_for(Refusal::loop); });
    EXPECT_EQ(lab.stats("loop6").active, 1u);
}

TEST(UdpLoop, OfTwoServicesIsCut) {
    const TestLab lab(yaml, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    move_to_gateway(lab, "10.0.0.99/32");
    ask(lab, UdpSocket(lab->host("client"), at("1.0.0.100")), at("1.0.0.1:1001"),
        [&] { return lab.stats("back").refused_for(Refusal::loop); });
    EXPECT_EQ(lab.stats("there").active, 1u);
    EXPECT_EQ(lab.stats("back").active, 0u);
}

TEST(UdpLoop, OfASessionFromBeforeIsCut) {
    const TestLab lab(yaml, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    client.send(at("1.0.0.1:1044"), "while all is well");
    ASSERT_TRUE(wait_for([&] { return lab.stats("loop4").active == 1; }));
    move_to_gateway(lab, "10.0.0.99/32");
    ask(lab, client, at("1.0.0.1:1044"), [&] { return lab.stats("loop4").refused_for(Refusal::loop); });
    EXPECT_EQ(lab.stats("loop4").active, 1u);
}

// What translates packets does so once: a flow ends on the gateway, where nobody listens. So it does for those on the
// gateway itself, whose packets meet what translates twice.
class KernelLoop : public testing::TestWithParam<std::string> {};

TEST_P(KernelLoop, NothingGoesRound) {
    const TestLab lab(R"(
services:
  outside: {listen: ["1.0.0.1:9", "[2001:db8::1]:9"], backends: ["10.0.0.3:9", "[fd00::3]:9"]}
  loop: {listen: ["0.0.0.0:1044", "[::]:1044"], backends: ["10.0.0.99:1044", "[fd00::99]:1044"], protocol: both}
  there: {listen: ["0.0.0.0:1001", "[::]:1001"], backends: ["10.0.0.99:1002", "[fd00::99]:1002"], protocol: both}
  back: {listen: ["0.0.0.0:1002", "[::]:1002"], backends: ["10.0.0.99:1001", "[fd00::99]:1001"], protocol: both}
)",
                      GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    move_to_gateway(lab, "10.0.0.99/32");
    move_to_gateway(lab, "fd00::99/128");
    const auto flows = [&](const char* service) {
        const auto accepted = lab.stats(service).accepted;
        return std::accumulate(accepted.begin(), accepted.end(), uint64_t{0});
    };
    uint64_t asked_so_far = 0;
    for (const auto& [host, from, to] : {std::tuple(&lab->host("client"), "1.0.0.100", "1.0.0.1"),
                                         std::tuple(&host_with(lab, at("10.0.0.3")), "10.0.0.3", "1.0.0.1"),
                                         std::tuple(&lab->host("gateway"), "1.0.0.1", "1.0.0.1"),
                                         std::tuple(&lab->host("client"), "2001:db8::100", "2001:db8::1"),
                                         std::tuple(&host_with(lab, at("fd00::3")), "fd00::3", "2001:db8::1"),
                                         std::tuple(&lab->host("gateway"), "2001:db8::1", "2001:db8::1")}) {
        SCOPED_TRACE(from);
        for (const uint16_t port : {uint16_t{1044}, uint16_t{1001}}) {
            const Endpoint asked{at(to).ip, port};
            EXPECT_FALSE(connect_from(*host, {Protocol::tcp, at(from), asked}));
            EXPECT_STREQ(strerror(errno), strerror(ECONNREFUSED)) << asked.str();
            const Fd client = connect_from(*host, {Protocol::udp, at(from), asked});
            ASSERT_TRUE(send_all(client, "round and round"));
            char byte = 0;
            EXPECT_EQ(recv(client.get(), &byte, 1, 0), -1);
            EXPECT_STREQ(strerror(errno), strerror(ECONNREFUSED)) << asked.str();
        }
        asked_so_far += 2;
        for (const char* service : {"loop", "there"}) EXPECT_EQ(flows(service), asked_so_far);
        EXPECT_EQ(flows("back"), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(On, KernelLoop, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
