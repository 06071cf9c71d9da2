// The ports that sock_diag tells: those on which somebody waits, and no others.
#include "net/listening_ports.h"

#include <algorithm>

#include "kernel/namespace.h"
#include "net/socket.h"

namespace hairpin {
namespace {

using ListeningPorts = InNamespace;

TEST_F(ListeningPorts, AreThoseOfListenersAndOfDatagramSocketsWithoutAPeer) {
    alone([] {
        std::vector<Fd> open;
        std::vector<uint16_t> waiting;
        for (const char* ip : {"1.0.0.1", "0.0.0.0", "::1", "::"}) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                auto listener = open_listener(protocol, {*Ip::parse(ip), 0});
                ASSERT_TRUE(listener) << listener.error().message;
                waiting.push_back(local_endpoint(listener->get()).port);
                open.push_back(*std::move(listener));
            }
        }
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            open.push_back(open_socket(protocol, Family::v4));
            const SockAddr served({*Ip::parse("1.0.0.1"), waiting[protocol == Protocol::tcp ? 0 : 1]});
            ASSERT_TRUE(connect(open.back().get(), served.get(), served.size()) == 0 || errno == EINPROGRESS);
        }
        auto told = listening_ports();
        ASSERT_TRUE(told) << told.error().message;
        std::ranges::sort(*told);
        std::ranges::sort(waiting);
        EXPECT_EQ(*told, waiting);
    });
}

}  // namespace
}  // namespace hairpin
