// The PROXY protocol (haproxy.org, doc/proxy-protocol.txt): backends are told the true client, whatever its path, and
// only those are believed whom the configuration lists.
//
//   ╭─ client ──╮    ╭─ gateway ──╮              ╭─ server1 ───╮
//   │ 1.0.0.100 ├────┤ 1.0.0.1    ├── switch ─┬──┤ 10.0.0.2    │
//   ╰───────────╯    ╰────────────╯           │  ╭─ peer ──────╮
//     is listed                               ╰──┤ 10.0.0.50   │ is not
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "lab/proxy_header.h"
#include "net/socket.h"
#include "support/tcp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using lab::write_proxy_header;

constexpr std::string_view yaml = R"(
services:
  none: {listen: 1.0.0.1:1000, backends: 10.0.0.2:2000}
  v1: {listen: 1.0.0.1:1001, backends: 10.0.0.2:2001, proxy_protocol: {send: v1}}
  v2: {listen: 1.0.0.1:1002, backends: 10.0.0.2:2002, proxy_protocol: {send: v2}}
  accept: {listen: 1.0.0.1:1003, backends: 10.0.0.2:2003, proxy_protocol: {accept_from: 1.0.0.100}}
  chain_v1: {listen: 1.0.0.1:1004, backends: 10.0.0.2:2004, proxy_protocol: {accept_from: 1.0.0.100, send: v1}}
  chain_v2: {listen: 1.0.0.1:1005, backends: 10.0.0.2:2005, proxy_protocol: {accept_from: 1.0.0.100, send: v2}}
)";

Endpoint endpoint_of(uint16_t number) { return {*Ip::parse("1.0.0.1"), static_cast<uint16_t>(1000 + number)}; }
Endpoint backend_of(uint16_t number) { return {*Ip::parse("10.0.0.2"), static_cast<uint16_t>(2000 + number)}; }
enum : uint16_t { none, v1, v2, accept_headers, chain_v1, chain_v2 };

// What another load balancer tells: a client far away that asked it.
const Endpoint true_client = *Endpoint::parse("203.0.113.7:40000");
const Endpoint true_endpoint = *Endpoint::parse("198.51.100.1:443");
constexpr auto time_for_a_header = 3s;

const std::string local_v2("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
const std::string unknown_v1 = "PROXY UNKNOWN\r\n";

class TcpProxyProtocol : public testing::Test {
protected:
    static void SetUpTestSuite() { lab_ = std::make_unique<TestLab>(yaml, "proxy", TestLab::Backends::none); }
    static void TearDownTestSuite() { lab_.reset(); }
    void SetUp() override {
        ASSERT_TRUE(*lab_);
        for (const uint16_t number : {none, v1, v2, accept_headers, chain_v1, chain_v2}) {
            servers_.push_back(listen_on((*lab_)->host("server1"), backend_of(number)));
        }
    }

    static Fd dial(const std::string& host, uint16_t number) {
        Fd client = hairpin::dial((*lab_)->host(host), endpoint_of(number));
        EXPECT_TRUE(client) << strerror(errno);
        return client;
    }
    static uint64_t refused(std::string_view service) {
        return lab_->stats(service).refused_for(Refusal::proxy_header);
    }

    static inline std::unique_ptr<TestLab> lab_;
    std::vector<Fd> servers_;
};

// What the listed sender says, in two versions, for the same client.
std::vector<std::string> headers() {
    return {write_proxy_header(ProxyHeader::v1, Protocol::tcp, true_client, true_endpoint),
            write_proxy_header(ProxyHeader::v2, Protocol::tcp, true_client, true_endpoint)};
}

using SendCase = std::tuple<ProxyHeader, std::string>;  // header, host of the client

class TcpProxyProtocolSent : public TcpProxyProtocol, public testing::WithParamInterface<SendCase> {
protected:
    uint16_t number() const { return std::get<0>(GetParam()) == ProxyHeader::v1 ? v1 : v2; }
    const std::string& host() const { return std::get<1>(GetParam()); }
    std::string header_for(const Fd& client) const {
        return write_proxy_header(std::get<0>(GetParam()), Protocol::tcp, local_endpoint(client.get()),
                                  endpoint_of(number()));
    }
};

TEST_P(TcpProxyProtocolSent, TellsTheTrueClientInOneSegment) {
    const Fd client = dial(host(), number());
    const Fd backend = accept_from(servers_[number()]);
    const std::string header = header_for(client);
    EXPECT_EQ(receive(backend, header.size()), header) << "ahead of the client's first byte";
    tcp_info info{};
    socklen_t size = sizeof info;
    ASSERT_EQ(getsockopt(backend.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_data_segs_in, 1U);
    EXPECT_TRUE((Conversation{Fd(dup(client.get())), Fd(dup(backend.get()))}.alive()));
}

TEST_P(TcpProxyProtocolSent, PrecedesAPayloadThatIsWholeAndUncounted) {
    const std::string service(name(std::get<0>(GetParam())));
    const uint64_t before = lab_->stats(service).bytes_to_backends;
    const std::string payload = noise(200'000);
    const Fd client = dial(host(), number());
    ASSERT_TRUE(send_all(client, payload));
    finish(client);
    const Ending ending = receive_to_end(accept_from(servers_[number()]));
    EXPECT_EQ(ending.error, 0);
    EXPECT_TRUE(ending.bytes == header_for(client) + payload);
    EXPECT_EQ(lab_->stats(service).bytes_to_backends - before, payload.size());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpProxyProtocolSent,
                         testing::Combine(testing::Values(ProxyHeader::v1, ProxyHeader::v2),
                                          testing::Values("client", "peer", "server1", "routed", "gateway")),
                         [](const auto& param_info) {
                             return std::string(name(std::get<0>(param_info.param))) + "_" +
                                    std::get<1>(param_info.param);
                         });

TEST_F(TcpProxyProtocol, NobodyIsBelievedWhereNobodyIsListed) {
    for (const std::string& header : headers()) {
        const Fd client = dial("client", none);
        ASSERT_TRUE(send_all(client, header + "payload"));
        EXPECT_EQ(receive(accept_from(servers_[none]), header.size() + 7), header + "payload");
    }
}

TEST_F(TcpProxyProtocol, AnUnlistedSenderIsNotBelieved) {
    for (const std::string& header : headers()) {
        const Fd client = dial("peer", accept_headers);
        ASSERT_TRUE(send_all(client, header + "payload"));
        EXPECT_EQ(receive(accept_from(servers_[accept_headers]), header.size() + 7), header + "payload");

        const Fd chained = dial("peer", chain_v2);
        ASSERT_TRUE(send_all(chained, header));
        const std::string truth =
            write_proxy_header(ProxyHeader::v2, Protocol::tcp, local_endpoint(chained.get()), endpoint_of(chain_v2));
        EXPECT_EQ(receive(accept_from(servers_[chain_v2]), truth.size() + header.size()), truth + header);
    }
}

TEST_F(TcpProxyProtocol, AHeaderMayArriveByteByByte) {
    for (const std::string& header : headers()) {
        const Fd client = dial("client", accept_headers);
        for (const char byte : header) ASSERT_TRUE(send_all(client, {&byte, 1}));
        const Fd backend = accept_from(servers_[accept_headers]);
        ASSERT_TRUE(send_all(backend, "banner")) << "the server may speak first";
        EXPECT_EQ(receive(client, 6), "banner");
        ASSERT_TRUE(send_all(client, "payload"));
        EXPECT_EQ(receive(backend, 7), "payload");
    }
}

TEST_F(TcpProxyProtocol, AHeaderMayBeCutAnywhere) {
    constexpr size_t at_a_time = 8;  // so that each is whole before its time is over
    for (const std::string& header : headers()) {
        for (size_t first = 1; first < header.size(); first += at_a_time) {
            const size_t end = std::min(first + at_a_time, header.size());
            std::vector<Fd> clients;
            for (size_t size = first; size < end; ++size) {
                clients.push_back(dial("client", accept_headers));
                ASSERT_TRUE(send_all(clients.back(), header.substr(0, size)));
            }
            for (const Fd& client : clients) wait_until_sent(client);
            EXPECT_FALSE(is_readable(servers_[accept_headers], 50ms)) << "a backend before a header was whole";
            for (size_t size = first; size < end; ++size) {
                ASSERT_TRUE(send_all(clients[size - first], header.substr(size) + "payload"));
                EXPECT_EQ(receive(accept_from(servers_[accept_headers]), 7), "payload") << "cut after " << size;
            }
        }
    }
}

TEST_F(TcpProxyProtocol, ThePayloadMayShareASegmentWithTheHeader) {
    for (const size_t size : {size_t{1}, size_t{1000}, size_t{1'000'000}}) {
        const std::string payload = noise(size);
        for (const std::string& header : headers()) {
            const Fd client = dial("client", accept_headers);
            ASSERT_TRUE(send_all(client, header + payload));
            finish(client);
            const Ending ending = receive_to_end(accept_from(servers_[accept_headers]));
            EXPECT_EQ(ending.error, 0);
            EXPECT_TRUE(ending.bytes == payload) << ending.bytes.size() << " of " << size;
        }
    }
}

// Another header behind the first is payload, and none of ours to read.
TEST_F(TcpProxyProtocol, OnlyTheFirstHeaderIsTaken) {
    const std::string header = headers().front();
    const Fd client = dial("client", accept_headers);
    ASSERT_TRUE(send_all(client, header + header));
    finish(client);
    EXPECT_EQ(receive_to_end(accept_from(servers_[accept_headers])).bytes, header);
}

TEST_F(TcpProxyProtocol, TheTrueClientIsPassedOnInEitherVersion) {
    for (const std::string& header : headers()) {
        for (const auto& [number, version] : {std::pair(chain_v1, ProxyHeader::v1), {chain_v2, ProxyHeader::v2}}) {
            const Fd client = dial("client", number);
            ASSERT_TRUE(send_all(client, header + "payload"));
            finish(client);
            EXPECT_EQ(receive_to_end(accept_from(servers_[number])).bytes,
                      write_proxy_header(version, Protocol::tcp, true_client, true_endpoint) + "payload");
        }
    }
}

// The sender speaks for itself: health checks.
TEST_F(TcpProxyProtocol, AHeaderWithoutAClientLeavesTheSocketsAddresses) {
    for (const std::string& header : {local_v2, unknown_v1}) {
        const Fd client = dial("client", chain_v2);
        ASSERT_TRUE(send_all(client, header + "payload"));
        finish(client);
        EXPECT_EQ(
            receive_to_end(accept_from(servers_[chain_v2])).bytes,
            write_proxy_header(ProxyHeader::v2, Protocol::tcp, local_endpoint(client.get()), endpoint_of(chain_v2)) +
                "payload");
    }
}

TEST_F(TcpProxyProtocol, AnInvalidHeaderIsAResetAtOnce) {
    const std::string invalid[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "PROXY TCP4 10.0.0.2 1.0.0.1 40000 65536\r\n",
        "PROXY TCP4 256.0.0.2 1.0.0.1 40000 1234\r\n",
        "PROXY TCP4 10.0.0.2 1.0.0.1 40000 1234\n",
        "PROXY UDP4 10.0.0.2 1.0.0.1 40000 1234\r\n",
        "PROXY " + std::string(110, 'x'),
        std::string("\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0", 16),
    };
    uint64_t expected = refused("accept");
    for (const std::string& header : invalid) {
        const auto began = std::chrono::steady_clock::now();
        const Fd client = dial("client", accept_headers);
        ASSERT_TRUE(send_all(client, header));
        EXPECT_EQ(receive_to_end(client).error, ECONNRESET) << header;
        EXPECT_LT(std::chrono::steady_clock::now() - began, time_for_a_header) << header;
        EXPECT_EQ(refused("accept"), ++expected) << header;
    }
    EXPECT_FALSE(is_readable(servers_[accept_headers], 0ms)) << "and no backend hears of it";
    EXPECT_TRUE(lab_->logs("no valid PROXY header from 1.0.0.100:"));
}

TEST_F(TcpProxyProtocol, AHeaderThatIsCutShortIsAResetAtOnce) {
    for (const std::string& header : headers()) {
        for (const size_t size : {size_t{0}, size_t{1}, header.size() - 1}) {
            const uint64_t before = refused("accept");
            const auto began = std::chrono::steady_clock::now();
            const Fd client = dial("client", accept_headers);
            ASSERT_TRUE(send_all(client, header.substr(0, size)));
            finish(client);
            EXPECT_EQ(receive_to_end(client).error, ECONNRESET) << size;
            EXPECT_LT(std::chrono::steady_clock::now() - began, time_for_a_header) << size;
            EXPECT_EQ(refused("accept"), before + 1);
        }
    }
}

// At least three seconds, says the protocol, for one retransmission; and not for ever.
TEST_F(TcpProxyProtocol, AHeaderThatDoesNotComeIsAReset) {
    const uint64_t before = refused("accept");
    const auto began = std::chrono::steady_clock::now();
    const Fd silent = dial("client", accept_headers);
    const Fd half = dial("client", accept_headers);
    ASSERT_TRUE(send_all(half, "PROXY TCP4 "));
    EXPECT_EQ(receive_to_end(silent).error, ECONNRESET);
    EXPECT_EQ(receive_to_end(half).error, ECONNRESET);
    EXPECT_GE(std::chrono::steady_clock::now() - began, time_for_a_header);
    EXPECT_EQ(refused("accept"), before + 2);
    EXPECT_TRUE(lab_->logs("which is in accept_from: it did not come in time"));
}

}  // namespace
}  // namespace hairpin
