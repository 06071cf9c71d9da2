// What the kernel's half makes of packets is what translate() says, for random services and whoever asks; and whatever
// comes, it breaks nothing. HAIRPIN_SEED=N repeats what a failure prints, HAIRPIN_ROUNDS=N goes on for longer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "host_kernel.h"
#include "support/gate.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

using Action = Verdict::Action;

// Serves with the programs compiled for this machine, as one after the other.
Serve on_host(std::optional<HostKernel>& kernel) {
    return [&kernel](const Tables& tables, size_t services, const HostKernel::Routing& routing) -> KernelHalf& {
        return kernel.emplace(tables, services, routing);
    };
}

TEST(BpfKernelHalf, DoesWhatTranslateSays) {
    std::optional<HostKernel> kernel;
    expect_what_translate_says(two_legged().topology(), 100, on_host(kernel));
}

// Those that came in order, and what a wrong wire makes of them.
std::string mutated(std::string frame, RandomServices& random) {
    const size_t changes = random.below(5);
    for (size_t i = 0; i < changes && !frame.empty(); ++i) {
        frame[random.below(std::min<size_t>(frame.size(), 90))] = static_cast<char>(random.below(256));
    }
    if (random.below(4) == 0) frame.resize(random.below(frame.size() + 20));
    return frame;
}

std::vector<std::string> frames_about(const Made& made, RandomServices& random) {
    const Endpoint& client = made.client.source;
    const Endpoint& asked = made.client.destination;
    std::vector<std::string> frames;
    for (const TcpFields& fields : {TcpFields{.syn = true}, {.acknowledged = 1}, {.acknowledged = 1, .rst = true}}) {
        frames.push_back(frame_of(packet_of(made.client.protocol, client, asked, "payload", fields)));
        frames.push_back(frame_of(
            packet_of(made.client.protocol, made.backend.destination, made.backend.source, "payload", fields)));
    }
    for (IcmpError error : icmp_errors(client.ip.family())) {
        error.quoted = packet_in(frames[random.below(frames.size())]);
        frames.push_back(frame_of(icmp_packet(made.backend.destination.ip, made.backend.source.ip, error)));
    }
    if (client.ip.is_v4()) {
        for (const std::string& piece : fragments_of(udp_packet(client, asked, std::string(100, 'x')), 32, 7)) {
            frames.push_back(frame_of(piece));
        }
    }
    return frames;
}

// As a sender leaves an IPv4 frame with TCP to a device that sums up: only the pseudo header is in its checksum.
std::string with_partial_checksum(std::string frame) {
    constexpr size_t ip = 14;
    constexpr size_t tcp = ip + 20;
    uint32_t sum = IPPROTO_TCP + static_cast<uint32_t>(frame.size() - tcp);
    for (size_t i = ip + 12; i < tcp; i += 2) {  // both addresses
        sum += static_cast<uint32_t>(static_cast<uint8_t>(frame[i]) << 8 | static_cast<uint8_t>(frame[i + 1]));
    }
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    frame[tcp + 16] = static_cast<char>(sum >> 8);
    frame[tcp + 17] = static_cast<char>(sum);
    return frame;
}

// One service a family, and a flow under way to each of its backends by the shortest way.
class Shortcut : public testing::Test {
protected:
    Shortcut() {
        Compiler compiler(0);
        Tables tables =
            compiler.compile({Ruleset({service("v4", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both),
                                       service("v6", {"[2001:db8::1]:80"}, {"[fd00::2]:80"}, Protocols::both)}),
                              topology_},
                             free_ports, [](const Service& service) { return service.name == "v4" ? 0U : 1U; });
        for (auto& [index, link] : tables.links) {
            link.takes_frames_until = index != lo ? until_ : 0;
            link.mac[0] = of_gateway;
        }
        kernel_.emplace(tables, 2, [this](const Ip&) { return route_; });
        open();
    }

    void open() {
        (void)kernel_->arrives(ext, frame_of(udp_packet(client_, service_, "first")));
        (void)kernel_->arrives(ext, frame_of(tcp_packet(client_, service_, {.syn = true})));
        (void)kernel_->arrives(ext, frame_of(tcp_packet(client_, service_, {.acknowledged = 1})));
    }

    bool takes(std::string frame, int link = ext) {
        if (frame[0] == 0) frame[0] = of_gateway;
        const Verdict verdict = kernel_->in_driver(link, frame);
        EXPECT_TRUE(verdict.action == Action::send || verdict.frame == frame) << "changed and not sent";
        return verdict.action == Action::send;
    }
    std::string udp(IpFields fields = {}) const { return frame_of(udp_packet(client_, service_, "payload", fields)); }
    std::string tcp(const TcpFields& fields = {.acknowledged = 1}) const {
        return frame_of(tcp_packet(client_, service_, fields, "payload"));
    }

    static constexpr int ext = 2;
    static constexpr char of_gateway = 2;  // how its link addresses begin
    static constexpr uint32_t until_ = (1'000'000'000'000 + 5'000'000'000) >> HP_TICK_BITS;  // five seconds on
    const Topology topology_ = two_legged().topology();
    const Endpoint client_ = endpoint("1.0.0.100:20000");
    const Endpoint service_ = endpoint("1.0.0.1:80");
    HostKernel::Route route_{3, 1500, true};
    std::optional<HostKernel> kernel_;
};

TEST_F(Shortcut, IsTakenByWhatIsUnderWay) {
    EXPECT_TRUE(takes(udp()));
    EXPECT_TRUE(takes(tcp()));
}

TEST_F(Shortcut, IsNotForWhatBeginsOrEnds) {
    EXPECT_FALSE(takes(frame_of(udp_packet(endpoint("1.0.0.100:20001"), service_, "first"))));
    EXPECT_FALSE(takes(tcp({.syn = true})));
    EXPECT_FALSE(takes(tcp({.acknowledged = 1, .rst = true})));
    std::string fin = tcp();
    fin[14 + 20 + 13] = static_cast<char>(fin[14 + 20 + 13] | 1);
    EXPECT_FALSE(takes(fin));
    (void)kernel_->arrives(ext, tcp({.acknowledged = 1, .rst = true}));
    EXPECT_FALSE(takes(tcp())) << "what comes after a reset takes its mark back";
}

TEST_F(Shortcut, IsNotForWhatARouterAnswers) {
    EXPECT_TRUE(takes(udp({.hop_limit = 2})));
    EXPECT_FALSE(takes(udp({.hop_limit = 1})));
    EXPECT_TRUE(takes(frame_of(udp_packet(client_, service_, std::string(1472, 'x')))));
    EXPECT_FALSE(takes(frame_of(udp_packet(client_, service_, std::string(1473, 'x')))));
}

TEST_F(Shortcut, IsNotForFragments) {
    for (const std::string& piece : fragments_of(udp_packet(client_, service_, std::string(100, 'x')), 32, 7)) {
        EXPECT_FALSE(takes(frame_of(piece)));
    }
}

TEST_F(Shortcut, IsNotForWhatLacksItsChecksum) {
    std::string none = udp();
    none.replace(14 + 20 + 6, 2, 2, '\0');
    EXPECT_FALSE(takes(none)) << "a tunnel, and who knows what is in it";

    EXPECT_FALSE(takes(with_partial_checksum(tcp())));
}

TEST_F(Shortcut, LeavesPartialChecksumsToThoseWhoKeepThemPartial) {
    const Verdict verdict = kernel_->arrives(ext, with_partial_checksum(tcp()), true);
    EXPECT_EQ(verdict.action, Action::send);
    EXPECT_EQ(verdict.frame, with_partial_checksum(verdict.frame));
}

// Its own answers, too: a client on this machine leaves the sum of its SYN to a device.
TEST(BpfKernelHalf, AResetHasAPartialChecksumWhereTheSynHas) {
    Service guarded = service("guarded", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.deny = prefixes({"1.0.0.100"});
    Compiler compiler(0);
    const Tables tables =
        compiler.compile({Ruleset({guarded}), two_legged().topology()}, free_ports, [](const Service&) { return 0U; });
    HostKernel kernel(tables, 1, [](const Ip&) { return HostKernel::Route{3, 1500, true}; });
    const std::string syn =
        frame_of(tcp_packet(endpoint("1.0.0.100:20000"), endpoint("1.0.0.1:80"), {.sequence = 77, .syn = true}));
    const Verdict whole = kernel.arrives(2, syn);
    EXPECT_TRUE(has_right_checksums(packet_in(whole.frame)));
    EXPECT_EQ(packet_in(whole.frame).tcp().acknowledged, 78u);
    const Verdict partial = kernel.arrives(2, with_partial_checksum(syn), true);
    EXPECT_EQ(partial.action, Action::send);
    EXPECT_EQ(partial.frame, with_partial_checksum(whole.frame));
}

TEST_F(Shortcut, IsNotForFramesToOthersOrFromElsewhere) {
    std::string to_another = udp();
    to_another[0] = 4;
    EXPECT_FALSE(takes(to_another));
    EXPECT_FALSE(takes(udp(), 77)) << "a link that nobody has told of";
    // An answer of the backend's that comes from outside.
    const Endpoint backend = endpoint("10.0.0.2:80");
    EXPECT_FALSE(takes(frame_of(udp_packet(backend, client_, "forged")), ext));
}

TEST_F(Shortcut, EndsWithTheHopAndWithTheWordOfTheDriver) {
    kernel_->pass_time(std::chrono::milliseconds(1100));
    EXPECT_FALSE(takes(udp())) << "the hop is to be looked up again";
    (void)kernel_->arrives(ext, udp());
    EXPECT_TRUE(takes(udp()));
    kernel_->pass_time(std::chrono::seconds(5));
    (void)kernel_->arrives(ext, udp());
    EXPECT_FALSE(takes(udp())) << "nobody has vouched for the driver since";
}

TEST_F(Shortcut, IsNotTakenBeforeTheNeighbourIsKnown) {
    route_.neighbour_known = false;
    kernel_->pass_time(std::chrono::milliseconds(1100));
    const Verdict verdict = kernel_->arrives(ext, udp());
    EXPECT_EQ(verdict.action, Action::send);
    EXPECT_TRUE(verdict.resolved) << "by the kernel, which asks for it";
    EXPECT_FALSE(takes(udp()));
}

// What was changed has right checksums if it had them.
TEST(BpfKernelHalf, BreaksNothingWhateverComes) {
    const uint32_t seed = number_from("HAIRPIN_SEED", 1);
    RandomServices random(seed);
    size_t sent = 0;
    const uint32_t rounds = number_from("HAIRPIN_ROUNDS", 100);
    for (uint32_t round = 0; round < rounds; ++round) {
        std::optional<HostKernel> kernel;
        Gate gate(random, two_legged().topology(), on_host(kernel));
        if (gate.services().empty()) continue;
        for (uint16_t port = 20000; port < 20040; ++port) {
            const Leg client = random_question(gate, random, port);
            const auto made = gate.open(client, gate.link_of(client.source.ip));
            if (!made) continue;
            for (const std::string& frame : frames_about(*made, random)) {
                const std::string came = mutated(frame, random);
                const int link = static_cast<int>(1 + random.below(4));
                SCOPED_TRACE(fmt::format("HAIRPIN_SEED={}, round {}, port {}, link {}", seed, round, port, link));
                const Verdict by_driver = gate.kernel().in_driver(link, came);
                if (by_driver.action != Action::send && by_driver.frame != came) ADD_FAILURE() << "changed, not sent";
                for (const Verdict& verdict : {by_driver, gate.kernel().arrives(link, came)}) {
                    if (verdict.action == Action::drop || verdict.frame == came) continue;
                    ++sent;
                    const bool whole = came.size() == frame.size() && came.substr(0, 54) == frame.substr(0, 54);
                    if (whole && has_right_checksums(packet_in(came)) && !has_right_checksums(packet_in(verdict.frame)))
                        ADD_FAILURE() << "sent with a wrong checksum";
                }
                if (testing::Test::HasFailure()) return;
            }
        }
    }
    EXPECT_GT(sent, size_t{10} * rounds);
}

}  // namespace
}  // namespace hairpin::bpf
