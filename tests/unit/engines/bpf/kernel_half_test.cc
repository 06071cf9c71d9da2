// What the kernel's half makes of packets is what translate() says, for random services and whoever asks; and whatever
// comes, it breaks nothing. HAIRPIN_SEED=N repeats what a failure prints, HAIRPIN_ROUNDS=N goes on for longer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "engines/bpf/compile.h"
#include "engines/bpf/convert.h"
#include "engines/registry.h"
#include "host_kernel.h"
#include "model/translate.h"
#include "support/packet.h"
#include "support/random_services.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

using Action = Verdict::Action;

constexpr PortRange free_ports{40000, 49999};
constexpr int lo = 1;
const std::string ethernet_v4 = std::string(12, '\0') + '\x08' + std::string(1, '\0');
const std::string ethernet_v6 = std::string(12, '\0') + '\x86' + '\xdd';

constexpr auto client_addresses = std::to_array<std::string_view>(
    {"1.0.0.100", "8.8.8.8", "10.0.0.2", "10.0.0.3", "10.0.0.50", "10.0.1.7", "1.0.0.1", "10.0.0.1", "169.254.7.7",
     "2001:db8::100", "2001:db8:9::9", "fd00::2", "fd00::50", "fd00:1::7", "2001:db8::1", "fd00::1", "fe80::77"});
constexpr auto asked_addresses = std::to_array<std::string_view>(
    {"1.0.0.1", "10.0.0.1", "10.0.1.1", "2001:db8::1", "fd00::1", "10.0.0.2", "fd00::2", "1.0.0.77", "8.8.8.8"});

uint32_t number_from(const char* variable, uint32_t fallback) {
    const char* given = std::getenv(variable);
    return given ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : fallback;
}

std::string frame_of(const std::string& packet) {
    return (read_packet(packet).from.ip.is_v4() ? ethernet_v4 : ethernet_v6) + with_header_checksum(packet);
}

Packet packet_in(const std::string& frame) { return read_packet(frame.substr(ethernet_v4.size())); }

std::string packet_of(Protocol protocol, const Endpoint& from, const Endpoint& to, std::string_view payload,
                      const TcpFields& fields) {
    return protocol == Protocol::udp ? udp_packet(from, to, payload) : tcp_packet(from, to, fields, payload);
}

hp_tuple tuple_of(const Leg& leg) {
    hp_tuple tuple{};
    tuple.source = to_wire(leg.source.ip);
    tuple.destination = to_wire(leg.destination.ip);
    tuple.source_port = htons(leg.source.port);
    tuple.destination_port = htons(leg.destination.port);
    tuple.protocol = to_wire(leg.protocol);
    return tuple;
}

// A flow that was made, as its packets are on either side.
struct Made {
    Leg client;
    Leg backend;
    int client_link = 0;
    int backend_link = 0;
};

// Random services, and the kernel's half that serves them.
class Gate {
public:
    explicit Gate(RandomServices& random)
        : services_(random.some(*find_engine("tc")->make({}), topology_)),
          ruleset_(services_),
          tables_(compiled()),
          kernel_(tables_, services_.size(), [this](const Ip& ip) { return route_to(ip); }) {}

    HostKernel& kernel() { return kernel_; }
    const std::vector<Service>& services() const { return services_; }

    int link_of(const Ip& ip) const {
        if (topology_.owns(ip) || ip.is_loopback()) return lo;
        const Route* route = topology_.route_to(ip);
        return route ? route->link : 2;
    }

    // A client's first packet, if that is to be judged as such. Nothing: it opened no flow.
    std::optional<Made> open(const Leg& client, int link) {
        const std::string payload = "question";
        const std::string sent =
            frame_of(packet_of(client.protocol, client.source, client.destination, payload, {.syn = true}));
        const Verdict verdict = kernel_.arrives(link, sent);
        const auto possible = flows_of(client);
        const bool served = std::ranges::any_of(possible, [](const auto& flow) { return flow.has_value(); });
        const bool inside = !is_outside(ruleset_, topology_, client.source.ip);
        const bool outside_link = link != lo && faces_only_outside(ruleset_, topology_, link);
        if (!served) {
            const bool intrudes = outside_link && tables_.guarded.contains(to_wire(client.destination.ip)) &&
                                  (inside || client.protocol == Protocol::tcp);
            EXPECT_EQ(verdict.action, intrudes ? Action::drop : Action::pass);
            EXPECT_EQ(verdict.frame, sent);
            return {};
        }
        if ((inside && outside_link) || (topology_.owns(client.source.ip) && link != lo)) {
            EXPECT_EQ(verdict.action, Action::drop) << "a forged address";
            return {};
        }
        EXPECT_EQ(verdict.action, Action::send);
        if (verdict.action != Action::send) return {};
        const Packet left = packet_in(verdict.frame);
        const auto flow = std::ranges::find_if(
            possible, [&](const auto& candidate) { return candidate && candidate->backend.destination == left.to; });
        EXPECT_NE(flow, possible.end()) << "sent to " << left.to.str();
        if (flow == possible.end()) return {};
        if (const auto chosen = choose_by_source(ruleset_, topology_, client, {.cross_family = false})) {
            EXPECT_EQ(left.to, possible[chosen->backend]->backend.destination);
        }
        const Endpoint& source = (*flow)->backend.source;
        EXPECT_EQ(left.from.ip.str(), source.ip.str());
        if (source.port != 0) {
            EXPECT_EQ(left.from.port, source.port);
        } else {
            EXPECT_TRUE(free_ports.contains(left.from.port)) << left.from.port;
        }
        const Made made{client, {client.protocol, left.from, left.to}, link, link_of(left.to.ip)};
        expect_translated(verdict, made.backend_link, payload);
        const auto half = kernel_.half(tuple_of(client));
        EXPECT_TRUE(half);
        EXPECT_EQ(half ? static_cast<Path>(half->path) : Path::external, (*flow)->path);
        return made;
    }

    void answer(const Made& made) {
        const std::string sent = frame_of(packet_of(made.client.protocol, made.backend.destination, made.backend.source,
                                                    "answer", {.acknowledged = 1, .syn = true}));
        const Verdict verdict = kernel_.arrives(made.backend_link, sent);
        EXPECT_EQ(verdict.action, Action::send);
        if (verdict.action != Action::send) return;
        EXPECT_EQ(packet_in(verdict.frame).from, made.client.destination);
        EXPECT_EQ(packet_in(verdict.frame).to, made.client.source);
        const bool local = topology_.owns(made.client.source.ip);
        EXPECT_EQ(verdict.inward, local);
        expect_translated(verdict, local ? lo : link_of(made.client.source.ip), "answer");
    }

    // By either program: in the driver as behind it, or left to that.
    void go_on(const Made& made) {
        const Leg back{made.client.protocol, made.backend.destination, made.backend.source};
        for (const auto& [leg, link] : {std::pair(made.client, made.client_link), {back, made.backend_link}}) {
            const std::string sent =
                frame_of(packet_of(leg.protocol, leg.source, leg.destination, "more", {.acknowledged = 1}));
            const Verdict by_stack = kernel_.arrives(link, sent);
            EXPECT_EQ(by_stack.action, Action::send);
            const Verdict by_driver = kernel_.in_driver(link, sent);
            const bool ends_here = by_stack.inward;
            EXPECT_EQ(by_driver.action, ends_here ? Action::pass : Action::send);
            EXPECT_EQ(by_driver.frame, ends_here ? sent : by_stack.frame);
            EXPECT_EQ(by_driver.link, ends_here ? 0 : by_stack.link);
        }
    }

    // Routers and hosts complain: about the client's packets to the client, about the answers to the backend. What they
    // quote is what was sent.
    void complain(const Made& made) {
        const Leg back{made.client.protocol, made.client.destination, made.client.source};
        const Endpoint answering = made.backend.destination;
        expect_error(made.backend_link, made.backend, made.client.source.ip,
                     {made.client.source, made.client.destination});
        expect_error(made.client_link, back, answering.ip, {answering, made.backend.source});
    }

private:
    Tables compiled() {
        Compiler compiler(0);
        Tables tables =
            compiler.compile({Ruleset(services_), topology_}, free_ports, [&](const Service& service) -> uint32_t {
                return static_cast<uint32_t>(std::ranges::find(services_, service.name, &Service::name) -
                                             services_.begin());
            });
        for (auto& [index, link] : tables.links) link.takes_frames_until = index != lo ? UINT32_MAX / 4 : 0;
        return tables;
    }

    std::optional<HostKernel::Route> route_to(const Ip& ip) const { return HostKernel::Route{link_of(ip), 1500}; }

    std::vector<std::optional<Flow>> flows_of(const Leg& client) const {
        std::vector<std::optional<Flow>> flows;
        const auto match = find_asked(ruleset_, topology_, client.protocol, client.destination);
        for (size_t i = 0; match && i < match->service->backends.size(); ++i) {
            flows.push_back(translate(ruleset_, topology_, client, {i}, {.cross_family = false}));
        }
        return flows;
    }

    static void expect_translated(const Verdict& verdict, int link, const std::string& payload) {
        const Packet left = packet_in(verdict.frame);
        EXPECT_EQ(verdict.link, link);
        EXPECT_EQ(left.payload(), payload);
        EXPECT_EQ(int{left.hop_limit}, 63);
        EXPECT_TRUE(has_right_checksums(left));
    }

    void expect_error(int link, const Leg& about, const Ip& to, const std::pair<Endpoint, Endpoint>& sent) {
        const Ip router = ip(to.is_v4() ? "10.0.0.99" : "fd00::99");
        for (IcmpError error : icmp_errors(to.family())) {
            error.quoted = read_packet(with_header_checksum(
                packet_of(about.protocol, about.source, about.destination, "quoted", {.acknowledged = 1})));
            const Verdict verdict = kernel_.arrives(link, frame_of(icmp_packet(router, about.source.ip, error)));
            ASSERT_EQ(verdict.action, Action::send) << int{error.type};
            const Packet left = packet_in(verdict.frame);
            EXPECT_EQ(left.to.ip.str(), to.str());
            EXPECT_TRUE(has_right_checksums(left));
            const auto passed = icmp_error_in(left);
            ASSERT_TRUE(passed);
            EXPECT_EQ(passed->type, error.type);
            EXPECT_EQ(passed->mtu, error.mtu);
            EXPECT_EQ(passed->quoted.from, sent.first);
            EXPECT_EQ(passed->quoted.to, sent.second);
            EXPECT_TRUE(has_right_checksums(passed->quoted));
        }
    }

    const Topology topology_ = two_legged().topology();
    const std::vector<Service> services_;
    const Ruleset ruleset_;
    const Tables tables_;
    HostKernel kernel_;
};

// Asks what there is, most of the time.
Leg random_question(const Gate& gate, RandomServices& random, uint16_t port) {
    const Protocol protocol = random.below(2) ? Protocol::tcp : Protocol::udp;
    const Service& service = gate.services()[random.below(gate.services().size())];
    const EndpointRange& listen = service.listen[random.below(service.listen.size())];
    Endpoint asked{listen.ip, static_cast<uint16_t>(listen.ports.first + random.below(4))};
    if (listen.ip.is_unspecified() || random.below(8) == 0) asked.ip = random.one_of(asked_addresses);
    Ip client = random.one_of(client_addresses);
    while (client.family() != asked.ip.family()) client = random.one_of(client_addresses);
    return {protocol, {client, port}, asked};
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

TEST(BpfKernelHalf, DoesWhatTranslateSays) {
    const uint32_t seed = number_from("HAIRPIN_SEED", 1);
    RandomServices random(seed);
    size_t opened = 0;
    const uint32_t rounds = number_from("HAIRPIN_ROUNDS", 100);
    for (uint32_t round = 0; round < rounds; ++round) {
        Gate gate(random);
        if (gate.services().empty()) continue;
        for (uint16_t port = 20000; port < 20150; ++port) {
            const Leg client = random_question(gate, random, port);
            const int link = random.below(8) ? gate.link_of(client.source.ip) : static_cast<int>(1 + random.below(4));
            SCOPED_TRACE(fmt::format("HAIRPIN_SEED={}, round {}: {} {} asks {} on link {}", seed, round,
                                     name(client.protocol), client.source.str(), client.destination.str(), link));
            const auto made = gate.open(client, link);
            if (made) {
                gate.answer(*made);
                gate.go_on(*made);
                gate.complain(*made);
                ++opened;
            }
            if (testing::Test::HasFailure()) return;
        }
    }
    EXPECT_GT(opened, size_t{10} * rounds);
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
        Gate gate(random);
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
