// A million flows live at once in the programs of the bpf engines: none is refused, every packet of each is translated
// in both directions, and where no more fit, those that are there stay, and the counters tell of those that are not.
//
// BPF_PROG_TEST_RUN makes the packets, one by one, so this shows what is held, not how fast.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "engines/bpf/sweeper.h"
#include "kernel/loaded.h"
#include "kernel/namespace.h"
#include "net/netlink_topology.h"
#include "support/gate.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

constexpr int million = 1'000'000;
constexpr size_t more_than_fit = 10 * million;

const Endpoint asked = endpoint("1.0.0.1:80");
const Endpoint backend = endpoint("10.0.0.2:80");

// No two alike, beyond the router.
Endpoint client(size_t number) {
    return {Ip::v4(static_cast<uint32_t>(0x14000000 + number / 16)), static_cast<uint16_t>(10'000 + number % 16)};
}

// One frame over IPv4 after the other, made of the one before.
class Datagrams {
public:
    Datagrams(const LoadedKernel& kernel, const Link& link)
        : kernel_(kernel), link_(link.index), sent_(frame_of(udp_packet(asked, backend, "datagram"), link.mac)) {
        sent_.replace(check_at, 2, 2, '\0');  // RFC 768: there is none
    }

    // Whether it leaves as a datagram between these.
    bool leaves(const Endpoint& from, const Endpoint& to, const Endpoint& new_from, const Endpoint& new_to) {
        put(source_at, source_port_at, from);
        put(destination_at, destination_port_at, to);
        return kernel_.run(link_, sent_, left_) == code_of_redirect && left_[protocol_at] == IPPROTO_UDP &&
               has(source_at, source_port_at, new_from) && has(destination_at, destination_port_at, new_to);
    }

private:
    static constexpr size_t ip_at = 14;
    static constexpr size_t protocol_at = ip_at + 9;
    static constexpr size_t source_at = ip_at + 12;
    static constexpr size_t destination_at = ip_at + 16;
    static constexpr size_t source_port_at = ip_at + 20;
    static constexpr size_t destination_port_at = ip_at + 22;
    static constexpr size_t check_at = ip_at + 26;

    void put(size_t address_at, size_t port_at, const Endpoint& end) {
        std::ranges::copy(end.ip.network_bytes(), sent_.data() + address_at);
        sent_[port_at] = static_cast<char>(end.port >> 8);
        sent_[port_at + 1] = static_cast<char>(end.port);
    }
    bool has(size_t address_at, size_t port_at, const Endpoint& end) const {
        const auto same = [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); };
        const auto bytes = end.ip.network_bytes();
        return std::equal(bytes.begin(), bytes.end(), left_.begin() + address_at, same) &&
               same(static_cast<uint8_t>(end.port >> 8), left_[port_at]) &&
               same(static_cast<uint8_t>(end.port), left_[port_at + 1]);
    }

    const LoadedKernel& kernel_;
    const int link_;
    std::string sent_;
    std::array<char, 256> left_{};
};

// What the maps take of memory, as the kernel says (proc(5), of maps).
uint64_t memory_of_maps() {
    uint64_t sum = 0;
    for (const auto& pin : std::filesystem::directory_iterator(*pin_folder())) {
        const Fd map(bpf_obj_get(pin.path().c_str()));
        std::ifstream info(fmt::format("/proc/self/fdinfo/{}", map.get()));
        std::string key;
        uint64_t value = 0;
        while (info >> key) {
            if (key == "memlock:" && info >> value) sum += value;
        }
    }
    return sum;
}

using BpfPrograms = InNamespace;

TEST_F(BpfPrograms, HoldAMillionFlowsLoseNoneAndRefuseThoseBeyond) {
    alone_as_root([] {
        build_two_legged();
        const auto topology = read_topology();
        ASSERT_TRUE(topology) << topology.error().message;
        const auto kernel = loaded();
        ASSERT_TRUE(kernel);
        Compiler compiler(0);
        const Tables tables =
            compiler.compile({Ruleset({service("v4", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::udp)}), *topology},
                             free_ports, [](const Service&) { return 0U; });
        ASSERT_TRUE(kernel->serve(tables, 1));
        const auto link = [&](const char* name) { return *topology->link(static_cast<int>(if_nametoindex(name))); };
        Datagrams outside(*kernel, link("ext"));
        Datagrams inside(*kernel, link("int"));
        const auto asks = [&](size_t number) { return outside.leaves(client(number), asked, client(number), backend); };
        const auto is_answered = [&](size_t number) {
            return inside.leaves(backend, client(number), asked, client(number));
        };

        std::vector<bool> live;  // by client
        for (size_t refused = 0; refused < 1000 && live.size() < more_than_fit; refused += live.back() ? 0 : 1) {
            live.push_back(asks(live.size()));
        }
        const auto flows = static_cast<size_t>(std::ranges::count(live, true));
        EXPECT_GE(std::ranges::find(live, false) - live.begin(), million);
        std::printf("load: tc: %zu flows fit, %.0f bytes of the kernel's memory for each\n", flows,
                    static_cast<double>(memory_of_maps()) / static_cast<double>(flows));

        size_t lost = 0;
        for (size_t i = 0; i < live.size(); ++i) lost += !live[i] || (asks(i) && is_answered(i)) ? 0 : 1;
        EXPECT_EQ(lost, 0u);
        size_t listed = 0;
        ASSERT_TRUE(visit_flows(kernel->kernel(), [&](const FlowState& flow) { listed += flow.back ? 1 : 0; }));
        EXPECT_EQ(listed, flows);
        const auto counts = kernel->kernel().maps().counts.get(0);
        ASSERT_TRUE(counts);
        EXPECT_EQ(counts->accepted[HP_PATH_EXTERNAL], flows);
        EXPECT_EQ(counts->refused[HP_REFUSED_MEMORY], live.size() - flows);
    });
}

}  // namespace
}  // namespace hairpin::bpf
