#include "support/gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <cstdlib>

#include "engines/bpf/convert.h"
#include "engines/registry.h"
#include "model/path.h"

namespace hairpin::bpf {
namespace {

using Action = Verdict::Action;

constexpr Abilities abilities{.cross_family = false};
const std::string from_nobody = '\x02' + std::string(5, '\0');
constexpr size_t ethernet = 14;

constexpr auto client_addresses = std::to_array<std::string_view>(
    {"1.0.0.100", "8.8.8.8", "10.0.0.2", "10.0.0.3", "10.0.0.50", "10.0.1.7", "1.0.0.1", "10.0.0.1", "169.254.7.7",
     "2001:db8::100", "2001:db8:9::9", "fd00::2", "fd00::50", "fd00:1::7", "2001:db8::1", "fd00::1", "fe80::77"});
constexpr auto asked_addresses = std::to_array<std::string_view>(
    {"1.0.0.1", "10.0.0.1", "10.0.1.1", "2001:db8::1", "fd00::1", "10.0.0.2", "fd00::2", "1.0.0.77", "8.8.8.8"});

void expect_translated(const Verdict& verdict, int link, const std::string& payload) {
    const Packet left = packet_in(verdict.frame);
    EXPECT_EQ(verdict.link, link);
    EXPECT_EQ(left.payload(), payload);
    EXPECT_EQ(int{left.hop_limit}, 63);
    EXPECT_TRUE(has_right_checksums(left));
}

}  // namespace

uint32_t number_from(const char* variable, uint32_t otherwise) {
    const char* given = std::getenv(variable);
    return given ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : otherwise;
}

std::string frame_of(const std::string& packet, const std::array<uint8_t, 6>& to) {
    const bool v4 = read_packet(packet).from.ip.is_v4();
    const std::string type = v4 ? std::string("\x08\x00", 2) : "\x86\xdd";
    return std::string(to.begin(), to.end()) + from_nobody + type + with_header_checksum(packet);
}

Packet packet_in(const std::string& frame) { return read_packet(frame.substr(ethernet)); }

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

Gate::Gate(RandomServices& random, const Topology& topology, const Serve& serve)
    : topology_(topology),
      services_(random.some(*find_engine("tc")->make({}), topology_)),
      ruleset_(services_),
      tables_(compiled()),
      kernel_(serve(tables_, services_.size(), [this](const Ip& ip) { return HostKernel::Route{link_of(ip)}; })) {}

int Gate::link_of(const Ip& ip) const {
    if (topology_.owns(ip) || ip.is_loopback()) return lo;
    const Route* route = topology_.route_to(ip);
    return route ? route->link : 2;
}

int Gate::any_link(RandomServices& random) const {
    return topology_.links()[random.below(topology_.links().size())].index;
}

std::string Gate::frame_to(int link, const std::string& packet) const {
    return frame_of(packet, topology_.link(link)->mac);
}

std::optional<Made> Gate::open(const Leg& client, int link) {
    const std::string payload = "question";
    const std::string sent =
        frame_to(link, packet_of(client.protocol, client.source, client.destination, payload, {.syn = true}));
    const Verdict verdict = kernel_.arrives(link, sent);
    const Slots slots = slots_for(ruleset_, topology_, client, abilities);
    const auto possible = flows_of(client, slots);
    const bool inside = !is_outside(ruleset_, topology_, client.source.ip);
    const bool outside_link = link != lo && faces_only_outside(ruleset_, topology_, link);
    const bool kept_out = is_kept_out(ruleset_, topology_, client, abilities);
    const bool forged = (inside && outside_link) || (topology_.owns(client.source.ip) && link != lo);
    if (kept_out && !forged) {
        expect_refused(verdict, client, link, payload);
        return {};
    }
    if (possible.empty() && !kept_out) {
        const bool intrudes = outside_link && tables_.guarded.contains(to_wire(client.destination.ip)) &&
                              (inside || client.protocol == Protocol::tcp);
        EXPECT_EQ(verdict.action, intrudes ? Action::drop : Action::pass);
        EXPECT_EQ(verdict.frame, sent);
        return {};
    }
    if (forged) {
        EXPECT_EQ(verdict.action, Action::drop) << "a forged address";
        return {};
    }
    EXPECT_EQ(verdict.action, Action::send);
    if (verdict.action != Action::send) return {};
    const Packet left = packet_in(verdict.frame);
    const auto found = std::ranges::find_if(
        possible, [&](const auto& candidate) { return candidate.second.backend.destination == left.to; });
    EXPECT_NE(found, possible.end()) << "sent to " << left.to.str();
    if (found == possible.end()) return {};
    const Flow& flow = found->second;
    if (is_by_source(flow.service->balance)) {
        EXPECT_EQ(found->first, slots[source_hash(client.source.ip, slots.size())]);
    }
    const Endpoint& source = flow.backend.source;
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
    EXPECT_EQ(half ? static_cast<Path>(half->path) : Path::external, flow.path);
    return made;
}

// As of a port where nobody listens.
void Gate::expect_refused(const Verdict& verdict, const Leg& client, int link, const std::string& payload) const {
    ASSERT_EQ(verdict.action, Action::send);
    EXPECT_EQ(verdict.link, link);
    EXPECT_FALSE(kernel_.half(tuple_of(client)));
    const Packet left = packet_in(verdict.frame);
    EXPECT_TRUE(has_right_checksums(left));
    EXPECT_EQ(left.from.ip, client.destination.ip);
    EXPECT_EQ(left.to.ip, client.source.ip);
    if (client.protocol == Protocol::tcp) {
        EXPECT_EQ(left.from, client.destination);
        EXPECT_EQ(left.to, client.source);
        EXPECT_TRUE(left.tcp().rst);
        EXPECT_EQ(left.tcp().acknowledged, 1 + payload.size());
        EXPECT_EQ(left.payload(), "");
        return;
    }
    const auto error = icmp_error_in(left);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, client.source.ip.is_v4() ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT);
    EXPECT_EQ(error->quoted.from, client.source);
    EXPECT_EQ(error->quoted.to, client.destination);
}

void Gate::answer(const Made& made) {
    const std::string sent =
        frame_to(made.backend_link, packet_of(made.client.protocol, made.backend.destination, made.backend.source,
                                              "answer", {.acknowledged = 1, .syn = true}));
    const Verdict verdict = kernel_.arrives(made.backend_link, sent);
    EXPECT_EQ(verdict.action, Action::send);
    if (verdict.action != Action::send) return;
    EXPECT_EQ(packet_in(verdict.frame).from, made.client.destination);
    EXPECT_EQ(packet_in(verdict.frame).to, made.client.source);
    const bool local = topology_.owns(made.client.source.ip);
    EXPECT_EQ(verdict.inward, local);
    const Ip client = made.client.source.ip;
    const bool on_link = !client.is_v4() && client.is_link_local();  // it is where it came from
    expect_translated(verdict, local ? lo : on_link ? made.client_link : link_of(client), "answer");
}

void Gate::go_on(const Made& made) {
    const Leg back{made.client.protocol, made.backend.destination, made.backend.source};
    for (const auto& [leg, link] : {std::pair(made.client, made.client_link), {back, made.backend_link}}) {
        std::string sent;
        Verdict by_stack;
        Verdict by_driver;
        // The driver leaves one of 65,536 packets to the stack, which looks as if its checksum were partial; and all
        // once the hop's second is over.
        for (const char* payload : {"more", "even more"}) {
            sent = frame_to(link, packet_of(leg.protocol, leg.source, leg.destination, payload, {.acknowledged = 1}));
            by_stack = kernel_.arrives(link, sent);
            if (by_stack.resolved) by_stack = kernel_.arrives(link, sent);
            by_driver = kernel_.in_driver(link, sent);
            if (by_driver.action == Action::send) break;
        }
        EXPECT_EQ(by_stack.action, Action::send);
        const bool is_for_stack = by_stack.inward || by_stack.resolved;
        EXPECT_EQ(by_driver.action, is_for_stack ? Action::pass : Action::send);
        EXPECT_EQ(by_driver.frame, is_for_stack ? sent : by_stack.frame);
        EXPECT_EQ(by_driver.link, is_for_stack ? 0 : by_stack.link);
    }
}

void Gate::complain(const Made& made) {
    const Leg back{made.client.protocol, made.client.destination, made.client.source};
    const Endpoint answering = made.backend.destination;
    expect_error(made.backend_link, made.backend, made.client.source.ip, {made.client.source, made.client.destination});
    expect_error(made.client_link, back, answering.ip, {answering, made.backend.source});
}

Tables Gate::compiled() const {
    Compiler compiler(0);
    Tables tables =
        compiler.compile({Ruleset(services_), topology_}, free_ports, [&](const Service& service) -> uint32_t {
            return static_cast<uint32_t>(std::ranges::find(services_, service.name, &Service::name) -
                                         services_.begin());
        });
    for (auto& [index, link] : tables.links) link.takes_frames_until = index != lo ? UINT32_MAX / 4 : 0;
    return tables;
}

std::map<uint16_t, Flow> Gate::flows_of(const Leg& client, const Slots& slots) const {
    std::map<uint16_t, Flow> flows;
    for (const uint16_t backend : slots) {
        if (flows.contains(backend)) continue;
        flows.emplace(backend, translate(ruleset_, topology_, client, {backend}, abilities).value());
    }
    return flows;
}

void Gate::expect_error(int link, const Leg& about, const Ip& to, const std::pair<Endpoint, Endpoint>& sent) {
    const Ip router = *Ip::parse(to.is_v4() ? "10.0.0.99" : "fd00::99");
    for (IcmpError error : icmp_errors(to.family())) {
        error.quoted = read_packet(with_header_checksum(
            packet_of(about.protocol, about.source, about.destination, "quoted", {.acknowledged = 1})));
        const Verdict verdict = kernel_.arrives(link, frame_to(link, icmp_packet(router, about.source.ip, error)));
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

void expect_what_translate_says(const Topology& topology, uint32_t rounds, const Serve& serve) {
    const uint32_t seed = number_from("HAIRPIN_SEED", 1);
    RandomServices random(seed);
    size_t opened = 0;
    rounds = number_from("HAIRPIN_ROUNDS", rounds);
    for (uint32_t round = 0; round < rounds; ++round) {
        Gate gate(random, topology, serve);
        if (gate.services().empty()) continue;
        for (uint16_t port = 20000; port < 20150; ++port) {
            const Leg client = random_question(gate, random, port);
            const int link = random.below(8) ? gate.link_of(client.source.ip) : gate.any_link(random);
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

}  // namespace hairpin::bpf
