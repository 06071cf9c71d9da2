// What the lab reads from the wire, and what it makes of it: PROXY headers, greetings, faults.
#include <gtest/gtest.h>

#include "lab/prober.h"

namespace hairpin::lab {
namespace {

Endpoint at(const char* text) { return *Endpoint::parse(text); }
Endpoint any_port(const char* ip) { return {*Ip::parse(ip), 0}; }

TEST(LabProxyHeader, ReadsWhatItWrites) {
    for (const auto& [source, destination] : {std::pair{at("1.0.0.100:4000"), at("1.0.0.1:80")},
                                              std::pair{at("[2001:db8::100]:4000"), at("[2001:db8::1]:80")}}) {
        for (const ProxyHeader version : {ProxyHeader::v1, ProxyHeader::v2}) {
            const std::string bytes = write_proxy_header(version, Protocol::tcp, source, destination);
            for (size_t size = 1; size < bytes.size(); ++size) {
                const auto part = read_proxy_header(std::string_view(bytes).substr(0, size));
                EXPECT_TRUE(part && !part->has_value()) << size;
            }
            const auto whole = read_proxy_header(bytes + "payload");
            ASSERT_TRUE(whole && whole->has_value());
            EXPECT_EQ(**whole, (Proxied{version, Protocol::tcp, source, destination, bytes.size()}));
        }
    }
}

TEST(LabProxyHeader, BytesOfTheStandard) {
    EXPECT_EQ(write_proxy_header(ProxyHeader::v1, Protocol::tcp, at("1.0.0.100:4000"), at("1.0.0.1:80")),
              "PROXY TCP4 1.0.0.100 1.0.0.1 4000 80\r\n");
    EXPECT_EQ(write_proxy_header(ProxyHeader::v2, Protocol::udp, at("1.0.0.100:4000"), at("1.0.0.1:80")),
              std::string("\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c\x01\0\0\x64\x01\0\0\x01\x0f\xa0\0\x50", 28));
}

TEST(LabProxyHeader, RefusesWhatBreaksTheStandard) {
    EXPECT_FALSE(read_proxy_header("PROXY TCP4 1.0.0.100 ::1 4000 80\r\n"));
    EXPECT_FALSE(read_proxy_header("PROXY TCP4 1.0.0.100 1.0.0.1 4000 80 \r\n"));
    EXPECT_FALSE(read_proxy_header("PROXY TCP4 1.0.0.100 1.0.0.1 4000 65536\r\n"));
    EXPECT_FALSE(read_proxy_header("PROXY " + std::string(200, 'x')));
    EXPECT_FALSE(
        read_proxy_header(std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04"
                                      "abcd",
                                      20)));
}

TEST(LabProxyHeader, LeavesOtherBytesAlone) {
    const auto none = read_proxy_header("GET / HTTP/1.1");
    ASSERT_TRUE(none && none->has_value());
    EXPECT_EQ((*none)->version, ProxyHeader::none);
    EXPECT_EQ((*none)->size, 0u);
}

TEST(Greeting, IsReadAsWritten) {
    Greeting greeting{"server1", {Protocol::udp, at("[fd00::1]:40000"), at("[fd00::2]:53")}, std::nullopt};
    EXPECT_EQ(greeting.str(), "server1 udp [fd00::2]:53 saw [fd00::1]:40000");
    auto read = Greeting::parse(greeting.str());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->str(), greeting.str());

    greeting.header = Proxied{ProxyHeader::v2, Protocol::udp, at("1.0.0.100:4000"), at("1.0.0.1:53"), 0};
    read = Greeting::parse(greeting.str());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->header, greeting.header);
    EXPECT_FALSE(Greeting::parse("HTTP/1.1 400 Bad Request"));
    EXPECT_FALSE(Greeting::parse(""));
}

class Fault : public testing::Test {
protected:
    Probe probe{"srv2", 3, {Protocol::tcp, any_port("10.0.0.2"), at("1.0.0.1:1234")}, {}, {}, {}};
    Expectation expected{0, 4, "peer", {Protocol::tcp, any_port("1.0.0.1"), at("10.0.0.3:12345")}, false, true, {}};
    Answer answer{{"server2", {Protocol::tcp, at("1.0.0.1:50000"), at("10.0.0.3:12345")}, std::nullopt},
                  at("10.0.0.2:40000"),
                  at("10.0.0.2:40000")};
};

TEST_F(Fault, NoneWhereAllIsAsPlanned) { EXPECT_EQ(fault(probe, expected, answer), ""); }

TEST_F(Fault, TheSourceAddressCounts) {
    answer.greeting.leg.source.ip = *Ip::parse("10.0.0.1");
    EXPECT_EQ(fault(probe, expected, answer), "the backend saw the wrong source address");
    expected.leg.source.ip = Ip::any(Family::v4);
    EXPECT_EQ(fault(probe, expected, answer), "") << "whichever the route gives";
}

TEST_F(Fault, TheSourcePortCountsWhereItIsKept) {
    expected.same_port = true;
    EXPECT_EQ(fault(probe, expected, answer), "the source port became 50000, it was 40000");
    answer.greeting.leg.source.port = 40000;
    EXPECT_EQ(fault(probe, expected, answer), "");
}

TEST_F(Fault, TheHeaderMustNameTheTrueClientAndTheEndpoint) {
    const Proxied right{ProxyHeader::v2, Protocol::tcp, answer.announced, probe.asked.destination, 28};
    answer.greeting.header = right;
    EXPECT_EQ(fault(probe, expected, answer), "a PROXY header that nobody asked for");
    probe.send = ProxyHeader::v2;
    EXPECT_EQ(fault(probe, expected, answer), "");
    answer.greeting.header->version = ProxyHeader::v1;
    EXPECT_NE(fault(probe, expected, answer), "");
    answer.greeting.header = right;
    answer.greeting.header->source = at("1.0.0.1:40000");
    EXPECT_NE(fault(probe, expected, answer), "");
    answer.greeting.header = right;
    answer.greeting.header->destination = at("10.0.0.3:12345");
    EXPECT_NE(fault(probe, expected, answer), "");
    answer.greeting.header.reset();
    EXPECT_EQ(fault(probe, expected, answer), "no PROXY header reached the backend");
}

}  // namespace
}  // namespace hairpin::lab
