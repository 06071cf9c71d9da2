// What becomes of a connection whose first segments are lost: they are sent again, and are no other connection's.
//
//   client or peer ──── gateway 1.0.0.1:1044 ──── server 1
#include <cstring>
#include <future>
#include <numeric>
#include <tuple>

#include "support/places.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class TcpOpening : public testing::TestWithParam<std::tuple<std::string, Place>> {};

std::string name_of(const testing::TestParamInfo<TcpOpening::ParamType>& info) {
    const auto& [engine, place] = info.param;
    return engine + "_" + place.name;
}

// The client hears of its first SYN nothing until it has sent it again.
TEST_P(TcpOpening, ARepeatedSynOpensOneConnection) {
    const auto& [engine, place] = GetParam();
    const TestLab lab(one_service_a_family, engine, TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& client_host = host_with(lab, at(place.client));
    const lab::Host& backend_host = host_with(lab, at(place.backend));
    const Fd server = listen_on(backend_host, at(place.backend));
    const std::string rule =
        "table inet lossy { chain input { type filter hook input priority 0; tcp flags & (syn | "
        "ack) == (syn | ack) tcp sport " +
        std::to_string(at(place.service).port) + " drop; }; }";
    command(client_host, "nft '" + rule + "'");
    const auto repeated = [&] { return kernel_counter(client_host, "TcpExt", "TCPSynRetrans"); };
    const uint64_t before = repeated();
    auto meeting = std::async(std::launch::async, [&] { return meet(client_host, at(place.service), {&server}); });
    EXPECT_TRUE(wait_for([&] { return repeated() > before; }));
    command(client_host, "nft delete table inet lossy");
    const Meeting met = meeting.get();
    ASSERT_TRUE(met.conversation) << strerror(met.refused_with);
    EXPECT_TRUE(met.conversation->alive());
    EXPECT_FALSE(is_readable(server, std::chrono::milliseconds(0))) << "a second connection";
    const ServiceStats stats = lab.stats(at(place.service).ip.is_v4() ? "v4" : "v6");
    EXPECT_EQ(std::accumulate(stats.accepted.begin(), stats.accepted.end(), uint64_t{0}), 1u);
}

INSTANTIATE_TEST_SUITE_P(Every, TcpOpening,
                         testing::Combine(testing::ValuesIn(engine_names()),
                                          testing::Values(external_v4, peer_v4, peer_v6)),
                         name_of);

}  // namespace
}  // namespace hairpin
