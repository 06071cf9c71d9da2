// Addresses, prefixes and endpoints: what reads, what is refused, and that all of it reads back.
#include "model/ip.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <unordered_set>

#include "unit/model/values.h"

namespace hairpin {
namespace {

using namespace std::string_view_literals;

TEST(Ip, ReadsBothFamilies) {
    EXPECT_EQ(ip("10.0.0.2"), Ip::v4(0x0a000002));
    EXPECT_EQ(ip("10.0.0.2").v4_bits(), 0x0a000002u);
    EXPECT_EQ(ip("10.0.0.2").network_bytes().size(), 4u);
    EXPECT_EQ(ip("10.0.0.2").network_bytes()[0], 10);
    EXPECT_EQ(ip("fd00::2").family(), Family::v6);
    EXPECT_EQ(ip("fd00::2").network_bytes().size(), 16u);
    EXPECT_EQ(ip("fd00::2").network_bytes()[0], 0xfd);
}

TEST(Ip, IsTheSameInItsV4MappedSpelling) {
    for (const auto text : {"::ffff:1.0.0.1"sv, "::ffff:100:1"sv, "0:0:0:0:0:FFFF:0100:0001"sv}) {
        EXPECT_EQ(ip(text), ip("1.0.0.1")) << text;
        EXPECT_EQ(ip(text).str(), "1.0.0.1");
        EXPECT_TRUE(ip(text).is_v4());
    }
    EXPECT_TRUE(ip("::ffff:127.0.0.1").is_loopback());
    EXPECT_TRUE(ip("::ffff:0.0.0.0").is_unspecified());
    EXPECT_TRUE(ip("::ffff:224.0.0.1").is_multicast());
    EXPECT_NE(ip("::1.0.0.1"), ip("1.0.0.1"));  // v4-compatible, long deprecated, is another address
}

TEST(Ip, RefusesEverySpellingThatReadersDisagreeOn) {
    for (const auto text : {""sv,
                            " "sv,
                            "1.2.3"sv,
                            "1.2.3.4.5"sv,
                            "1.2.3.256"sv,
                            "1.2.3.04"sv,
                            "010.0.0.1"sv,
                            "0x0a.0.0.1"sv,
                            "167772162"sv,
                            "1.2.3.4 "sv,
                            " 1.2.3.4"sv,
                            "1.2.3.4\n"sv,
                            "1.2.3.4\0"sv,
                            "1.2.3.4\0.5"sv,
                            "1.2.3.-4"sv,
                            "1.2.3.+4"sv,
                            "1..3.4"sv,
                            "1.2.3.4:80"sv,
                            "1.2.3.4/32"sv,
                            "[::1]"sv,
                            "fe80::1%eth0"sv,
                            "fe80::1%1"sv,
                            "::1::"sv,
                            ":::"sv,
                            "1:2:3:4:5:6:7"sv,
                            "1:2:3:4:5:6:7:8:9"sv,
                            "12345::"sv,
                            "::g"sv,
                            "::ffff:1.2.3.04"sv,
                            "::ffff:1.2.3"sv,
                            "localhost"sv,
                            "*"sv,
                            "\xd9\xa1.2.3.4"sv}) {
        const auto parsed = Ip::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_NE(parsed.error().message.find("is not an IP address"), std::string::npos);
    }
}

TEST(Ip, WritesAsRfc5952Says) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"2001:DB8::1", "2001:db8::1"},                    // 4.3 lower case
        {"2001:0db8:0:0:0:0:0002:0001", "2001:db8::2:1"},  // 4.1 no leading zeros, 4.2.1 shortened
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2 one field is not shortened
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3 the longest run
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // 4.2.3 the first of equals
        {"0:0:0:0:0:0:0:0", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"1:0:0:0:0:0:0:0", "1::"},
    };
    for (const auto& [from, to] : cases) EXPECT_EQ(ip(from).str(), to);
}

TEST(Ip, KnowsItsKind) {
    struct Case {
        std::string_view text;
        bool unspecified, loopback, multicast, link_local, broadcast;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"0.0.0.0", true, false, false, false, false},
             {"::", true, false, false, false, false},
             {"127.0.0.1", false, true, false, false, false},
             {"127.255.255.255", false, true, false, false, false},
             {"126.255.255.255", false, false, false, false, false},
             {"128.0.0.1", false, false, false, false, false},
             {"::1", false, true, false, false, false},
             {"::2", false, false, false, false, false},
             {"1::1", false, false, false, false, false},
             {"223.255.255.255", false, false, false, false, false},
             {"224.0.0.0", false, false, true, false, false},
             {"239.255.255.255", false, false, true, false, false},
             {"240.0.0.0", false, false, false, false, false},
             {"ff02::1", false, false, true, false, false},
             {"169.253.255.255", false, false, false, false, false},
             {"169.254.0.1", false, false, false, true, false},
             {"169.255.0.1", false, false, false, false, false},
             {"fe80::1", false, false, false, true, false},
             {"febf::1", false, false, false, true, false},
             {"fec0::1", false, false, false, false, false},
             {"fe7f::1", false, false, false, false, false},
             {"255.255.255.255", false, false, false, false, true},
             {"255.255.255.254", false, false, false, false, false},
         }) {
        const Ip address = ip(c.text);
        EXPECT_EQ(address.is_unspecified(), c.unspecified) << c.text;
        EXPECT_EQ(address.is_loopback(), c.loopback) << c.text;
        EXPECT_EQ(address.is_multicast(), c.multicast) << c.text;
        EXPECT_EQ(address.is_link_local(), c.link_local) << c.text;
        EXPECT_EQ(address.is_broadcast(), c.broadcast) << c.text;
    }
}

TEST(Ip, AnyIsTheUnspecifiedAddressOfAFamily) {
    EXPECT_EQ(Ip::any(Family::v4), ip("0.0.0.0"));
    EXPECT_EQ(Ip::any(Family::v6), ip("::"));
    EXPECT_EQ(Ip(), ip("::"));
    EXPECT_NE(Ip::any(Family::v4), Ip::any(Family::v6));
}

Ip random_ip(std::mt19937& random) {
    if (random() % 2) return Ip::v4(static_cast<uint32_t>(random()));
    std::array<uint8_t, 16> bytes{};
    for (auto& byte : bytes) byte = random() % 3 ? static_cast<uint8_t>(random()) : uint8_t{0};
    return Ip::from_network(bytes);
}

TEST(Ip, ReadsBackWhatItWrites) {
    std::mt19937 random(1);
    for (int i = 0; i < 20'000; ++i) {
        const Ip address = random_ip(random);
        ASSERT_EQ(ip(address.str()), address);
    }
}

TEST(Ip, ReadsBackFromItsNetworkBytes) {
    std::mt19937 random(2);
    for (int i = 0; i < 1'000; ++i) {
        const Ip address = random_ip(random);
        const auto bytes = address.network_bytes();
        ASSERT_EQ(address.is_v4() ? Ip::from_network(std::span<const uint8_t, 4>(bytes.data(), 4))
                                  : Ip::from_network(std::span<const uint8_t, 16>(bytes.data(), 16)),
                  address);
        ASSERT_EQ(Ip::from_network(address.bytes()), address);
    }
}

TEST(Prefix, ReadsNetworksAndSingleAddresses) {
    EXPECT_EQ(prefix("10.0.0.0/24"), (Prefix{ip("10.0.0.0"), 24}));
    EXPECT_EQ(prefix("fd00::/8"), (Prefix{ip("fd00::"), 8}));
    EXPECT_EQ(prefix("10.0.0.2").length, 32);
    EXPECT_EQ(prefix("fd00::2").length, 128);
    EXPECT_EQ(prefix("0.0.0.0/0").length, 0);
    EXPECT_EQ(prefix("::/0").length, 0);
}

TEST(Prefix, RefusesBadLengthsAndHostBits) {
    for (const auto text :
         {""sv, "/"sv, "/24"sv, "10.0.0.0/"sv, "10.0.0.0/33"sv, "10.0.0.0/-1"sv, "10.0.0.0/+8"sv, "10.0.0.0/08"sv,
          "10.0.0.0/8 "sv, "10.0.0.0/ 8"sv, "10.0.0.0/8/8"sv, "10.0.0.0/255.0.0.0"sv, "10.0.0.0/4294967304"sv,
          "fd00::/129"sv, "10.0.0/8"sv, "10.0.0.0/8\0"sv, "::ffff:10.0.0.0/104"sv}) {
        EXPECT_FALSE(Prefix::parse(text)) << text;
    }
    EXPECT_EQ(Prefix::parse("10.0.0.2/24").error().message,
              "'10.0.0.2/24' has host bits set; the network is 10.0.0.0/24");
    EXPECT_EQ(Prefix::parse("10.0.0.0/33").error().message, "'10.0.0.0/33' needs a prefix length from 0 to 32");
}

TEST(Prefix, HoldsExactlyTheAddressesThatShareItsBits) {
    EXPECT_TRUE(prefix("10.0.0.0/24").contains(ip("10.0.0.0")));
    EXPECT_TRUE(prefix("10.0.0.0/24").contains(ip("10.0.0.255")));
    EXPECT_TRUE(prefix("10.0.0.0/24").contains(ip("::ffff:10.0.0.7")));
    EXPECT_FALSE(prefix("10.0.0.0/24").contains(ip("10.0.1.0")));
    EXPECT_TRUE(prefix("10.0.0.4/31").contains(ip("10.0.0.5")));
    EXPECT_FALSE(prefix("10.0.0.4/31").contains(ip("10.0.0.6")));
    EXPECT_TRUE(prefix("fd00::/9").contains(ip("fd7f::")));
    EXPECT_FALSE(prefix("fd00::/9").contains(ip("fd80::")));
}

// An IPv4 address lies within ::ffff:0:0/96 only in how it is held.
TEST(Prefix, OfOneFamilyHoldsNothingOfTheOther) {
    EXPECT_FALSE(prefix("::/0").contains(ip("10.0.0.1")));
    EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("fd00::1")));
    EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("255.255.255.255")));
    EXPECT_TRUE(prefix("::/0").contains(ip("ffff::")));
    EXPECT_FALSE(prefix("::/0").overlaps(prefix("0.0.0.0/0")));
}

TEST(Prefix, OverlapsWhereOneHoldsTheOther) {
    EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
    EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
    EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("10.0.0.0/16").overlaps(prefix("10.1.0.0/16")));
}

TEST(Prefix, MovesHostBitsIntoAnotherNetwork) {
    EXPECT_EQ(prefix("10.99.0.0/24").with_host_of(ip("10.0.0.7")), ip("10.99.0.7"));
    EXPECT_EQ(prefix("10.99.0.0/20").with_host_of(ip("192.168.255.255")), ip("10.99.15.255"));
    EXPECT_EQ(prefix("0.0.0.0/0").with_host_of(ip("10.0.0.7")), ip("10.0.0.7"));
    EXPECT_EQ(prefix("10.9.9.9/32").with_host_of(ip("10.0.0.7")), ip("10.9.9.9"));
    EXPECT_EQ(prefix("fd99::/64").with_host_of(ip("fd00::1:2:3:4")), ip("fd99::1:2:3:4"));
}

TEST(Prefix, ContainsWhatItsOwnDefinitionSays) {
    std::mt19937 random(3);
    for (int i = 0; i < 20'000; ++i) {
        const Ip a = random_ip(random);
        const Ip b = random_ip(random);
        const int bits = a.is_v4() ? 32 : 128;
        const Prefix p = Prefix::of(a, static_cast<int>(random() % static_cast<unsigned>(bits + 1)));
        ASSERT_TRUE(p.contains(a));
        ASSERT_EQ(prefix(p.str()), p);
        if (a.family() != b.family()) {
            ASSERT_FALSE(p.contains(b));
            continue;
        }
        const Ip moved = p.with_host_of(b);
        ASSERT_TRUE(p.contains(moved)) << p.str() << " " << moved.str();
        bool equal_bits = true;
        for (int bit = 0; bit < p.length; ++bit) {
            const auto of = [&](const Ip& x) {
                return x.network_bytes()[static_cast<size_t>(bit / 8)] >> (7 - bit % 8) & 1;
            };
            equal_bits = equal_bits && of(a) == of(b);
        }
        ASSERT_EQ(p.contains(b), equal_bits) << p.str() << " " << b.str();
    }
}

TEST(EndpointRange, ReadsOnePortOrARange) {
    EXPECT_EQ(range("1.0.0.1:5432").ports, (PortRange{5432, 5432}));
    EXPECT_EQ(range("1.0.0.1:5000-5999").ports, (PortRange{5000, 5999}));
    EXPECT_EQ(range("1.0.0.1:1-65535").ports.size(), 65535);
    EXPECT_EQ(range("[fd00::2]:80").ip, ip("fd00::2"));
    EXPECT_EQ(range("[::ffff:1.0.0.1]:80"), range("1.0.0.1:80"));
    EXPECT_EQ(range("1.0.0.1:7-7").str(), "1.0.0.1:7");
    EXPECT_EQ(range("[FD00::2]:5-6").str(), "[fd00::2]:5-6");
}

TEST(EndpointRange, RefusesEverySpellingThatIsNotExactlyOne) {
    for (const auto text : {""sv,
                            ":"sv,
                            ":80"sv,
                            "1.0.0.1"sv,
                            "1.0.0.1:"sv,
                            "1.0.0.1:0"sv,
                            "1.0.0.1:65536"sv,
                            "1.0.0.1:99999999999"sv,
                            "1.0.0.1:-1"sv,
                            "1.0.0.1:+1"sv,
                            "1.0.0.1:080"sv,
                            "1.0.0.1:0x50"sv,
                            "1.0.0.1: 80"sv,
                            "1.0.0.1:80 "sv,
                            " 1.0.0.1:80"sv,
                            "1.0.0.1 :80"sv,
                            "1.0.0.1:80\0"sv,
                            "1.0.0.1\0:80"sv,
                            "1.0.0.1:8\0"sv,
                            "1.0.0.1:http"sv,
                            "1.0.0.1:9-8"sv,
                            "1.0.0.1:0-8"sv,
                            "1.0.0.1:8-"sv,
                            "1.0.0.1:-8"sv,
                            "1.0.0.1:1-2-3"sv,
                            "1.0.0.1:1-65536"sv,
                            "1.0.0.1:1 - 2"sv,
                            "1.0.0.1:1--2"sv,
                            "1.0.0.1:1,2"sv,
                            "01.0.0.1:80"sv,
                            "fd00::2:80"sv,
                            "::1"sv,
                            "[::1]"sv,
                            "[::1]80"sv,
                            "[::1]:"sv,
                            "[::1:80"sv,
                            "::1]:80"sv,
                            "[[::1]]:80"sv,
                            "[]:80"sv,
                            "[::1] :80"sv,
                            "[fe80::1%eth0]:80"sv,
                            "[::1]:80:90"sv,
                            "a[::1]:80"sv,
                            "1.0.0.1:80/tcp"sv,
                            "localhost:80"sv,
                            "*:80"sv}) {
        EXPECT_FALSE(EndpointRange::parse(text)) << text;
        EXPECT_FALSE(Endpoint::parse(text)) << text;
    }
}

TEST(EndpointRange, SaysWhatToWriteInstead) {
    const auto error = [](std::string_view text) { return EndpointRange::parse(text).error().message; };
    EXPECT_EQ(error("1.0.0.1"), "'1.0.0.1' lacks a port: write ADDRESS:PORT");
    EXPECT_EQ(error("[::1]"), "'[::1]' lacks a port: write [ADDRESS]:PORT");
    EXPECT_EQ(error("[::1:80"), "'[::1:80' has '[' without ']'");
    EXPECT_EQ(error("http://1.0.0.1:80"), "'http://1.0.0.1:80' is a URL: leave out http://");
    EXPECT_EQ(error("fd00::2:80"), "'fd00::2:80' is ambiguous: write an IPv6 endpoint as [ADDRESS]:PORT");
    EXPECT_EQ(error("1.0.0.1:0"), "'0' is not a port: write 1 to 65535, or a range FIRST-LAST");
    EXPECT_EQ(error("1.0.0.1:9-8"), "port range '9-8' runs backwards: write the smaller port first");
    EXPECT_EQ(error("host:80"), "'host' is not an IP address");
    EXPECT_EQ(Endpoint::parse("1.0.0.1:8-9").error().message, "'1.0.0.1:8-9' must name one port, not a range");
}

TEST(EndpointRange, ReadsBackWhatItWrites) {
    std::mt19937 random(4);
    for (int i = 0; i < 5'000; ++i) {
        auto first = static_cast<uint16_t>(1 + random() % 65535);
        auto last = static_cast<uint16_t>(1 + random() % 65535);
        if (last < first) std::swap(first, last);
        const EndpointRange r{random_ip(random), {first, random() % 2 ? first : last}};
        ASSERT_EQ(range(r.str()), r);
        ASSERT_EQ(endpoint(r.first().str()), r.first());
    }
}

TEST(PortRange, OverlapsWhereAPortIsInBoth) {
    for (uint16_t a = 1; a < 6; ++a) {
        for (uint16_t b = a; b < 6; ++b) {
            for (uint16_t c = 1; c < 6; ++c) {
                for (uint16_t d = c; d < 6; ++d) {
                    bool shared = false;
                    for (uint16_t port = 1; port < 6; ++port) {
                        shared = shared || (PortRange{a, b}.contains(port) && PortRange{c, d}.contains(port));
                    }
                    EXPECT_EQ((PortRange{a, b}.overlaps({c, d})), shared) << a << b << c << d;
                }
            }
        }
    }
}

TEST(EndpointHash, SpreadsNeighbours) {
    std::unordered_set<Endpoint, EndpointHash> set;
    std::set<size_t> hashes;
    for (uint32_t host = 0; host < 64; ++host) {
        for (uint16_t port = 1; port <= 64; ++port) {
            const Endpoint e{Ip::v4(0x0a000000 + host), port};
            set.insert(e);
            hashes.insert(EndpointHash{}(e));
        }
    }
    EXPECT_EQ(set.size(), 64u * 64);
    EXPECT_GT(hashes.size(), 64u * 64 - 4);
    EXPECT_TRUE(set.contains(endpoint("[::ffff:10.0.0.5]:9")));
}

}  // namespace
}  // namespace hairpin
