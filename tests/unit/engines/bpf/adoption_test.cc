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
    serve({service("web", {"1.0.0.1:80-89"}, {"10.0.0.2:8080-8089"}),
           service("six", {"[2001:db8::1]:80"}, {"[fd00::2]:8080"})});
    EXPECT_EQ(sent(ext, "1.0.0.100:20000", "1.0.0.1:83"), "1.0.0.100:20000 > 10.0.0.2:8083");
    EXPECT_EQ(sent(inside, "10.0.0.2:8083", "1.0.0.100:20000"), "1.0.0.1:83 > 1.0.0.100:20000");
    EXPECT_EQ(sent(inside2, "10.0.1.7:20000", "1.0.0.1:80"), "10.0.1.7:20000 > 10.0.0.2:8080");
    EXPECT_EQ(sent(ext, "[2001:db8::100]:20000", "[2001:db8::1]:80"), "[2001:db8::100]:20000 > [fd00::2]:8080");
}

TEST_F(Adoption, IsOfClientsThatAreMapped) {
    Service mapped = service("mapped", {"1.0.0.1:80"}, {"10.0.0.2:8080"});
    mapped.source = SourcePolicy::map;
    mapped.source_map = {prefix("100.64.0.0/24")};
    serve({mapped});
    EXPECT_EQ(sent(inside, "10.0.0.51:20000", "1.0.0.1:80"), "100.64.0.51:20000 > 10.0.0.2:8080");
    EXPECT_EQ(sent(inside, "10.0.0.2:8080", "100.64.0.51:20000"), "1.0.0.1:80 > 10.0.0.51:20000");
}

TEST_F(Adoption, IsOfTheBackendThatTheClientsAddressChooses) {
    Service hashed = service("hashed", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    hashed.balance = Balance::source_hash;
    serve({hashed});
    const char* chosen = source_hash(ip("1.0.0.100"), 2) == 0 ? "10.0.0.2:80" : "10.0.0.3:80";
    EXPECT_EQ(sent(ext, "1.0.0.100:20001", "1.0.0.1:80"), std::string("1.0.0.100:20001 > ") + chosen);
}

TEST_F(Adoption, IsOfNothingThatTheConfigurationDoesNotTell) {
    Service external = service("external", {"1.0.0.1:81"}, {"10.0.0.3:81"});
    external.source = SourcePolicy::external;
    serve({service("turns", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"}), external,
           service("web", {"1.0.0.1:82"}, {"10.0.0.2:82"})});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80")) << "whose turn was it?";
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:81")) << "by which port?";
    EXPECT_TRUE(passes(inside, "10.0.0.50:20000", "1.0.0.1:82")) << "a peer, and by which port?";
}

TEST_F(Adoption, IsOfNothingThatIsNoClientsConnection) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both)});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80", {.acknowledged = 1, .rst = true}));
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80", {}));
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80", syn_ack)) << "an answer to the gateway's own SYN";
    kernel_->connect_own(endpoint("1.0.0.100:20001"), endpoint("1.0.0.1:80"));
    EXPECT_TRUE(passes(ext, "1.0.0.100:20001", "1.0.0.1:80")) << "a connection of the gateway's own";
    EXPECT_EQ(segment(ext, "10.0.0.50:20000", "1.0.0.1:80").action, Action::drop) << "a forged address";
}

// It may be an answer to somebody who reaches the backend directly, or by another one's rules, or its own connection.
TEST_F(Adoption, IsOfNothingThatABackendSends) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    for (const TcpFields& fields : {ack, syn_ack, TcpFields{.syn = true}}) {
        EXPECT_TRUE(passes(inside, "10.0.0.2:80", "1.0.0.100:20000", fields));
    }
}

TEST_F(Adoption, IsOfNobodyWhoIsKeptOut) {
    Service guarded = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.deny = prefixes({"1.0.0.100"});
    serve({guarded});
    EXPECT_TRUE(passes(ext, "1.0.0.100:20000", "1.0.0.1:80"));
}

// Else a flood of segments from forged addresses would fill the table for days.
TEST_F(Adoption, LastsOnceTheBackendHasAgreed) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    const char* client = "1.0.0.100:20000";
    for (int i = 0; i < 3; ++i) (void)segment(ext, client, "1.0.0.1:80");
    EXPECT_EQ(marks(client, "1.0.0.1:80") & HP_ESTABLISHED, 0);
    (void)segment(inside, "10.0.0.2:80", client, {.acknowledged = 1, .rst = true});
    (void)segment(ext, client, "1.0.0.1:80");
    EXPECT_EQ(marks(client, "1.0.0.1:80") & HP_ESTABLISHED, 0) << "the backend does not know it";
    (void)segment(inside, "10.0.0.2:80", client);
    EXPECT_EQ(marks(client, "1.0.0.1:80") & HP_ESTABLISHED, HP_ESTABLISHED);
}

// Whose answers may take another way, as where a backend is the client's neighbour.
TEST_F(Adoption, ChangesNothingForThoseThatBeginHere) {
    serve({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    (void)segment(ext, "1.0.0.100:20000", "1.0.0.1:80", {.syn = true});
    EXPECT_EQ(marks("1.0.0.100:20000", "1.0.0.1:80") & HP_ESTABLISHED, 0);
    (void)segment(ext, "1.0.0.100:20000", "1.0.0.1:80");
    EXPECT_EQ(marks("1.0.0.100:20000", "1.0.0.1:80") & HP_ESTABLISHED, HP_ESTABLISHED);
}

}  // namespace
}  // namespace hairpin::bpf
