// Which connections the kernel's half goes on with that it has not seen begin, and which packets it leaves alone.
#include <gtest/gtest.h>

#include <optional>

#include "host_kernel.h"
#include "model/balance.h"
#include "support/gate.h"
#include "support/packet.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

using Action = Verdict::Action;

constexpr TcpFields ack{.acknowledged = 1};
constexpr TcpFields syn_ack{.acknowledged = 1, .syn = true};
constexpr int ext = 2;
constexpr int inside = 3;
constexpr int inside2 = 4;

class Adoption : public testing::Test {
protected:
    void serve(const std::vector<Service>& services) {
        Compiler compiler(0);
        const Tables tables = compiler.compile({Ruleset(services), two_legged().topology()}, free_ports,
                                               [](const Service&) { return 0U; });
        kernel_.emplace(tables, 1, [](const Ip& ip) { return HostKernel::Route{ip.is_private() ? inside : ext}; });
    }

    Verdict segment(int link, const char* from, const char* to, const TcpFields& fields = ack) {
        return kernel_->arrives(link, frame_of(tcp_packet(endpoint(from), endpoint(to), fields, "payload")));
    }
    // What leaves: "from > to", or nothing.
    std::string sent(int link, const char* from, const char* to, const TcpFields& fields = ack) {
        const Verdict verdict = segment(link, from, to, fields);
        if (verdict.action != Action::send) return {};
        const Packet packet = packet_in(verdict.frame);
        EXPECT_TRUE(has_right_checksums(packet));
        return packet.from.str() + " > " + packet.to.str();
    }
    bool passes(int link, const char* from, const char* to, const TcpFields& fields = ack) {
        return segment(link, from, to, fields).action == Action::pass;
    }
    uint8_t marks(const char* client, const char* asked) const {
        const auto half = kernel_->half(tuple_of({Protocol::tcp, endpoint(client), endpoint(asked)}));
        return half ? half->marks : 0;
    }

    std::optional<HostKernel> kernel_;
};

TEST_F(Adoption, IsOfWhatAClientSends) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:8080"})});
    EXPECT_EQ(sent(ext, "1.0.0.100:20000", "1.0.0.1:80"), "1.0.0.100:20000 > 10.0.0.2:8080");
    EXPECT_EQ(sent(inside, "10.0.0.2:8080", "1.0.0.100:20000"), "1.0.0.1:80 > 1.0.0.100:20000");
    EXPECT_EQ(sent(inside2, "10.0.1.7:20000", "1.0.0.1:80"), "10.0.1.7:20000 > 10.0.0.2:8080");
}

TEST_F(Adoption, IsOfWhatABackendSends) {
    serve({service("web", {"1.0.0.1:80-89"}, {"10.0.0.2:8080-8089"}),
           service("six", {"[2001:db8::1]:80"}, {"[fd00::2]:8080"})});
    EXPECT_EQ(sent(inside, "10.0.0.2:8083", "1.0.0.100:20000"), "1.0.0.1:83 > 1.0.0.100:20000");
    EXPECT_EQ(sent(inside, "10.0.0.2:8080", "1.0.0.100:20001", syn_ack), "1.0.0.1:80 > 1.0.0.100:20001")
        << "the SYN went through another gateway";
    EXPECT_EQ(sent(inside, "[fd00::2]:8080", "[2001:db8::100]:20000"), "[2001:db8::1]:80 > [2001:db8::100]:20000");
    EXPECT_EQ(sent(ext, "1.0.0.100:20000", "1.0.0.1:83"), "1.0.0.100:20000 > 10.0.0.2:8083");
}

TEST_F(Adoption, IsOfClientsThatAreMapped) {
    Service mapped = service("mapped", {"1.0.0.1:80"}, {"10.0.0.2:8080"});
    mapped.source = SourcePolicy::map;
    mapped.source_map = {prefix("100.64.0.0/24")};
    serve({mapped});
    EXPECT_EQ(sent(inside, "10.0.0.2:8080", "100.64.0.50:20000"), "1.0.0.1:80 > 10.0.0.50:20000");
    EXPECT_EQ(sent(inside, "10.0.0.51:20000", "1.0.0.1:80"), "100.64.0.51:20000 > 10.0.0.2:8080");
    EXPECT_EQ(sent(inside, "10.0.0.2:8080", "100.64.1.50:20000"), "1.0.0.1:80 > 100.64.1.50:20000")
        << "beyond the map, and so a client from outside";
    EXPECT_TRUE(passes(inside, "10.0.0.2:8080", "10.0.0.50:20000")) << "a peer is never shown as itself";
}

TEST_F(Adoption, IsOfTheBackendThatTheClientsAddressChooses) {
    Service hashed = service("hashed", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    hashed.balance = Balance::source_hash;
    serve({hashed});
    const bool first = source_hash(ip("1.0.0.100"), 2) == 0;
    const char* chosen = first ? "10.0.0.2:80" : "10.0.0.3:80";
    const char* other = first ? "10.0.0.3:80" : "10.0.0.2:80";
    EXPECT_TRUE(passes(inside, other, "1.0.0.100:20000"));
    EXPECT_EQ(sent(inside, chosen, "1.0.0.100:20000"), "1.0.0.1:80 > 1.0.0.100:20000");
    EXPECT_EQ(sent(ext, "1.0.0.100:20001", "1.0.0.1:80"), std::string("1.0.0.100:20001 > ") + chosen);
}

TEST_F(Adoption, IsOfNothingThatAddressesDoNotTell) {
    Service external = service("external", {"1.0.0.1:81"}, {"10.0.0.3:81"});
    external.source = SourcePolicy::external;
    serve({service("turns", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"}), external,
           service("public", {"1.0.0.1:82"}, {"192.0.2.2:82"}),
           service("shared", {"1.0.0.1:83", "1.0.0.1:84"}, {"10.0.0.2:83"})});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80")) << "whose turn was it?";
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "1.0.0.100:20000"));
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:81")) << "by which port?";
    EXPECT_TRUE(passes(inside, "10.0.0.3:81", "1.0.0.1:40000"));
    EXPECT_TRUE(passes(inside, "192.0.2.2:82", "1.0.0.100:20000")) << "who may have called it directly";
    EXPECT_TRUE(passes(inside, "10.0.0.2:83", "1.0.0.100:20000")) << "as which of two endpoints?";
    EXPECT_EQ(sent(ext, "1.0.0.100:20000", "1.0.0.1:84"), "1.0.0.100:20000 > 10.0.0.2:83");
}

TEST_F(Adoption, IsOfNothingThatIsNoConnection) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both)});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80", {.acknowledged = 1, .rst = true}));
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80", {}));
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "1.0.0.100:20000", {.acknowledged = 1, .rst = true}));
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "1.0.0.100:20000", {.syn = true})) << "it calls for its own part";
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "10.0.1.7:20000")) << "who may have called it directly";
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "10.0.0.1:20000")) << "the gateway itself, which may have, too";
    EXPECT_TRUE(passes(ext, "10.0.0.2:80", "1.0.0.100:20000")) << "a forged address";
    const auto datagram =
        kernel_->arrives(inside, frame_of(udp_packet(endpoint("10.0.0.2:80"), endpoint("1.0.0.100:20000"), "")));
    EXPECT_EQ(datagram.action, Action::pass);
}

TEST_F(Adoption, IsOfNobodyWhoIsKeptOut) {
    Service guarded = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.deny = prefixes({"1.0.0.100"});
    serve({guarded});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80"));
    EXPECT_TRUE(passes(inside, "10.0.0.2:80", "1.0.0.100:20000"));
}

// Else a flood of segments from forged addresses would fill the table for days.
TEST_F(Adoption, LastsOnceBothHaveSpoken) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    for (int i = 0; i < 3; ++i) (void)segment(ext, "1.0.0.100:20000", "1.0.0.1:80");
    EXPECT_EQ(marks("1.0.0.100:20000", "1.0.0.1:80") & HP_ESTABLISHED, 0);
    (void)segment(inside, "10.0.0.2:80", "1.0.0.100:20000");
    (void)segment(ext, "1.0.0.100:20000", "1.0.0.1:80");
    EXPECT_EQ(marks("1.0.0.100:20000", "1.0.0.1:80") & HP_ESTABLISHED, HP_ESTABLISHED);
}

}  // namespace
}  // namespace hairpin::bpf
