// A gateway that is the switch as well, as hosts of containers and virtual machines are: the servers are ports of its
// bridge. With net.bridge.bridge-nf-call-iptables the packets from one port to the other are translated where they
// otherwise are only bridged.
//
//   client ──── ext 1.0.0.1, gateway, 10.0.0.1 on br0 ──┬── port2 ── server2 10.0.0.2
//                                                       ╰── port3 ── server3 10.0.0.3
#include <fmt/format.h>
#include <net/if.h>

#include <array>
#include <tuple>

#include "lab/prober.h"
#include "lab/servers.h"
#include "support/binary.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  v4: {listen: "1.0.0.1:1234", backends: "10.0.0.3:12345", protocol: both}
  v6: {listen: "[2001:db8::1]:1234", backends: "[fd00::3]:12345", protocol: both}
)";

template <class T>
T made(Result<T> result) {
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
}

// The network of the picture, with `hairpin run` ready in the gateway.
class Bridged {
public:
    explicit Bridged(const std::string& engine) : config_(yaml) {
        wire(gateway_, {2, "ext"}, client_);
        wire(gateway_, {3, "port2"}, server2_);
        wire(gateway_, {4, "port3"}, server3_);
        const std::array<Link, 2> ports = {Link{3, "port2"}, Link{4, "port3"}};
        EXPECT_TRUE(gateway_.add_bridge("br0", ports));
        const int bridge = gateway_.run([] { return static_cast<int>(if_nametoindex("br0")); });
        settle(gateway_, 2, "1.0.0.1", "2001:db8::1");
        settle(gateway_, bridge, "10.0.0.1", "fd00::1");
        settle(client_, 2, "1.0.0.100", "2001:db8::100", "1.0.0.1", "2001:db8::1");
        settle(server2_, 2, "10.0.0.2", "fd00::2", "10.0.0.1", "fd00::1");
        settle(server3_, 2, "10.0.0.3", "fd00::3", "10.0.0.1", "fd00::1");
        for (const char* key : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
            EXPECT_TRUE(gateway_.set_sysctl(key, "1"));
        }
        for (const char* backend : {"10.0.0.3:12345", "[fd00::3]:12345"}) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                EXPECT_TRUE(servers_.add(server3_, "server3", {protocol, at(backend)}));
            }
        }
        servers_.start();
        engine_ = engine;
    }

    void start() {
        daemon_ = made(lab::Process::start(
            gateway_, {hairpin_binary(), "run", "-c", config_.path(), "--engine", engine_, "--socket", "none"}));
        EXPECT_TRUE(daemon_->wait_for_output("ready: ", patience)) << daemon_->output();
    }

    lab::Host gateway_ = made(lab::Host::make());
    lab::Host client_ = made(lab::Host::make());
    lab::Host server2_ = made(lab::Host::make());
    lab::Host server3_ = made(lab::Host::make());
    std::unique_ptr<lab::Process> daemon_;

private:
    static void wire(lab::Host& gateway, const Link& link, lab::Host& host) {
        EXPECT_TRUE(lab::Host::connect(gateway, link, host, {2, "eth0"}));
    }
    static void settle(lab::Host& host, int link, const char* v4, const char* v6, const char* router4 = nullptr,
                       const char* router6 = nullptr) {
        EXPECT_TRUE(host.add_address({at(v4).ip, 24, link}));
        EXPECT_TRUE(host.add_address({at(v6).ip, 64, link}));
        if (!router4) return;
        EXPECT_TRUE(host.add_route({Prefix::of(Ip::any(Family::v4), 0), at(router4).ip, link, 0}));
        EXPECT_TRUE(host.add_route({Prefix::of(Ip::any(Family::v6), 0), at(router6).ip, link, 0}));
    }

    const TemporaryFile config_;
    lab::Servers servers_;
    std::string engine_;
};

// Whom the backend sees; or why the client got no answer.
std::string seen_from(const lab::Host& host, Protocol protocol, const char* from, const char* service) {
    const auto answer = lab::ask(host, {protocol, at(from), at(service)}, ProxyHeader::none, patience);
    return answer ? answer->greeting.leg.source.ip.str() : answer.error().message;
}

// Engine; bridge-nf-call-iptables and its twin for IPv6; hairpin mode of the ports, so that a frame may leave through
// the port that it came from.
class InGatewayBridge : public testing::TestWithParam<std::tuple<std::string, bool, bool>> {
protected:
    void SetUp() override {
        const auto gained = lab::gain_privileges();
        ASSERT_TRUE(gained) << gained.error().message;
    }
};

TEST_P(InGatewayBridge, ServesEveryPath) {
    const auto& [engine, filters_frames, hairpin_mode] = GetParam();
    Bridged network(engine);
    for (const char* key : {"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"}) {
        const auto set = network.gateway_.set_sysctl(key, filters_frames ? "1" : "0");
        if (!set && !filters_frames) continue;  // the kernel has no such thing
        ASSERT_TRUE(set) << set.error().message;
    }
    if (hairpin_mode) {
        command(network.gateway_, "bridge link set dev port2 hairpin on && bridge link set dev port3 hairpin on");
    }
    network.start();
    const bool keeps = abilities_of(engine).foreign_source;
    // What the kernel then cannot do is said at start.
    const bool self_fails = engine == "nft" && filters_frames && !hairpin_mode;
    for (const char* table : {"iptables", "ip6tables"}) {
        const std::string warning = fmt::format(
            "net.bridge.bridge-nf-call-{0} is 1, so a server behind br0 that asks for its own service gets no answer: "
            "run "
            "`sysctl -w net.bridge.bridge-nf-call-{0}=0`, or `bridge link set dev PORT hairpin on` for these ports: "
            "port2 "
            "port3",
            table);
        EXPECT_EQ(network.daemon_->output().find(warning) != std::string::npos, self_fails)
            << network.daemon_->output();
    }
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        SCOPED_TRACE(name(protocol));
        const auto v4 = [&](const lab::Host& host, const char* from) {
            return seen_from(host, protocol, from, "1.0.0.1:1234");
        };
        const auto v6 = [&](const lab::Host& host, const char* from) {
            return seen_from(host, protocol, from, "[2001:db8::1]:1234");
        };
        EXPECT_EQ(v4(network.client_, "1.0.0.100"), keeps ? "1.0.0.100" : "1.0.0.1");
        EXPECT_EQ(v6(network.client_, "2001:db8::100"), keeps ? "2001:db8::100" : "2001:db8::1");
        EXPECT_EQ(v4(network.server2_, "10.0.0.2"), "1.0.0.1");
        EXPECT_EQ(v6(network.server2_, "fd00::2"), "2001:db8::1");
        EXPECT_EQ(v4(network.gateway_, "1.0.0.1"), "1.0.0.1");
        EXPECT_EQ(v6(network.gateway_, "2001:db8::1"), "2001:db8::1");
        if (self_fails) continue;
        EXPECT_EQ(v4(network.server3_, "10.0.0.3"), "1.0.0.1");
        EXPECT_EQ(v6(network.server3_, "fd00::3"), "2001:db8::1");
    }
}

std::string name_of(const testing::TestParamInfo<InGatewayBridge::ParamType>& info) {
    const auto& [engine, filters_frames, hairpin_mode] = info.param;
    return engine + (filters_frames ? "_bridge_nf" : "") + (hairpin_mode ? "_hairpin_mode" : "");
}
INSTANTIATE_TEST_SUITE_P(Every, InGatewayBridge,
                         testing::Combine(testing::ValuesIn(engine_names()), testing::Bool(), testing::Bool()),
                         name_of);

}  // namespace
}  // namespace hairpin
