// Network cards sum up, cut and join packets for the kernel, or do not: whatever of it is on, on the gateway and around
// it, every byte arrives as it was sent.
//
//   client, peer or server itself ──── gateway ──── server1 10.0.0.2, server2 fd00::2
#include <cstring>
#include <tuple>

#include "support/joined.h"
#include "support/places.h"
#include "support/tcp_stream.h"

namespace hairpin {
namespace {

// Of every link of the host; what depends on something that is off cannot be on, which ethtool(8) only remarks upon.
void set_offloads(const lab::Host& host, bool on) {
    const std::string word = on ? " on" : " off";
    std::string features;
    for (const char* feature : {"tx", "rx", "sg", "tso", "gso", "gro", "tx-udp-segmentation"}) {
        features += std::string(" ") + feature + word;
    }
    command(host, "for link in $(ip -o link show type veth | sed 's/^[0-9]*: //; s/[@:].*//'); do ethtool -K $link" +
                      features + " >/dev/null 2>&1; ethtool -k $link | grep -q 'tx-checksumming:" + word +
                      "' || exit 1; done");
}

class Offloads : public testing::TestWithParam<std::tuple<std::string, bool, bool>> {};

TEST_P(Offloads, ChangeNoByteWhetherOnOrOff) {
    const auto& [engine, on_gateway, around] = GetParam();
    const TestLab lab(one_service_a_family, engine, TestLab::Backends::none);
    ASSERT_TRUE(lab);
    for (const lab::HostPlan& host : lab->plan().hosts) {
        set_offloads(lab->host(host.name), host.name == "gateway" ? on_gateway : around);
    }
    set_offloads(lab->switch_host(), around);
    for (const Place& place : {external_v4, peer_v4, self_v4, external_v6, peer_v6, self_v6}) {
        SCOPED_TRACE(place.name);
        const Endpoint service = at(place.service);
        const lab::Host& client_host = host_with(lab, at(place.client));
        const lab::Host& backend_host = host_with(lab, at(place.backend));
        const Fd listener = listen_on(backend_host, at(place.backend));
        const Meeting meeting = meet(client_host, service, {&listener});
        ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        const auto& [client_end, backend_end] = *meeting.conversation;
        for (const auto& [from, to] : {std::pair(&client_end, &backend_end), std::pair(&backend_end, &client_end)}) {
            const std::string stream = noise(1'000'000);
            auto sent = sending(*from, stream);
            expect_same(receive(*to, stream.size()), stream);
            EXPECT_TRUE(sent.get());
        }

        const UdpSocket client(client_host, at(place.client));
        const UdpSocket backend(backend_host, at(place.backend));
        const Endpoint seen = exchange(client, service, backend, noise(1400));
        const std::string bytes = noise(1000 * 20 + 17);
        std::vector<std::string> datagrams;
        for (size_t i = 0; i < bytes.size(); i += 1000) datagrams.push_back(bytes.substr(i, 1000));
        const bool in_order = engine != "xdp";  // decision 0013
        send_joined(client, service, bytes, 1000);
        expect_all(backend, seen, datagrams, in_order);
        send_joined(backend, seen, bytes, 1000);
        expect_all(client, service, datagrams, in_order);
    }
}

std::string name_of(const testing::TestParamInfo<Offloads::ParamType>& info) {
    const auto& [engine, on_gateway, around] = info.param;
    return engine + (on_gateway ? "_on" : "_off") + (around ? "_among_on" : "_among_off");
}
INSTANTIATE_TEST_SUITE_P(Every, Offloads,
                         testing::Combine(testing::ValuesIn(engine_names()), testing::Bool(), testing::Bool()),
                         name_of);

}  // namespace
}  // namespace hairpin
