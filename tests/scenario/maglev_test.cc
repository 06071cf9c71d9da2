// Weights and maglev: shares, and who moves when a backend leaves. What the model says of a client, every engine does.
//
//   ╭─ client ────────────────────╮    ╭─ gateway ────╮               ╭─ server1 ──── 10.0.0.2
//   │ 1.0.0.100, 198.18.0.0/16    ├────┤ 1.0.0.1      ├── switch ─────┤  ...
//   ╰─────────────────────────────╯    ╰──────────────╯               ╰─ server10 ─── 10.0.0.11
#include <fmt/format.h>
#include <poll.h>

#include <map>

#include "config/config.h"
#include "lab/prober.h"
#include "model/slots.h"
#include "support/udp.h"

namespace hairpin {
namespace {

// As many as descriptors allow twice.
constexpr int clients = 400;

Ip client_address(int number) { return Ip::v4(0xC6120001 + static_cast<uint32_t>(number)); }  // 198.18.0.1 and on

std::string with_backends(int first, int last) {
    std::string list;
    for (int i = first; i <= last; ++i) list += fmt::format("10.0.0.{}:80, ", i);
    return fmt::format("services: {{web: {{listen: 1.0.0.1:80, protocol: udp, balance: maglev, backends: [{}]}}}}\n",
                       list);
}

// By client, as the model has it.
std::map<Ip, Endpoint> expected(const std::string& yaml) {
    const Service service = parse_config(yaml, "maglev.yaml").services.at(0);
    const Slots slots = slots_of(service);
    std::map<Ip, Endpoint> all;
    for (int i = 0; i < clients; ++i) {
        const Ip client = client_address(i);
        all[client] = service.backends[slots[source_hash(client, slots.size())]].endpoint.first();
    }
    return all;
}

class Maglev : public UdpTest {
protected:
    Maglev() : lab_(make_lab(ten)) {}
    void SetUp() override {
        ASSERT_TRUE(lab_);
        command(lab_->host("client"), "ip route add local 198.18.0.0/16 dev lo");
        command(lab_->host("gateway"), "ip route add 198.18.0.0/16 via 1.0.0.100");
        for (int i = 2; i <= 11; ++i) {
            servers_.emplace_back(lab_->host(fmt::format("server{}", i - 1)), at(fmt::format("10.0.0.{}:80", i)));
        }
    }

    UdpSocket client(const Ip& ip) const { return {lab_->host("client"), {ip, 0}}; }

    // Where the client's datagram arrives.
    Endpoint reached_by(const UdpSocket& client) const {
        client.send(at("1.0.0.1:80"), client.local().str());
        std::vector<pollfd> all;
        for (const UdpSocket& server : servers_) all.push_back({server.fd(), POLLIN, 0});
        if (poll(all.data(), all.size(), static_cast<int>(patience.count())) <= 0) return {};
        for (size_t i = 0; i < all.size(); ++i) {
            if (all[i].revents == 0) continue;
            const auto datagram = servers_[i].receive();
            EXPECT_EQ(datagram ? datagram->payload : "", client.local().str());
            return servers_[i].local();
        }
        return {};
    }

    const std::string ten = with_backends(2, 11);
    const TestLab lab_;
    std::vector<UdpSocket> servers_;
};

TEST_P(Maglev, LeadsEveryClientWhereTheModelDoesAndMovesFewWhenABackendLeaves) {
    const std::string nine = with_backends(3, 11);
    const auto before = expected(ten);
    const auto after = expected(nine);
    std::map<Endpoint, double> shares;
    std::map<Ip, UdpSocket> sessions;
    for (const auto& [ip, backend] : before) {
        const auto session = sessions.emplace(ip, client(ip)).first;
        ASSERT_EQ(reached_by(session->second).str(), backend.str()) << ip.str() << "\n" << lab_->daemon_log();
        ++shares[backend];
    }
    double chi_square = 0;
    for (const auto& [backend, share] : shares) chi_square += (share - clients / 10.0) * (share - clients / 10.0) / 40;
    EXPECT_EQ(shares.size(), 10u);
    EXPECT_LT(chi_square, 21.7) << "one in a hundred is above";

    ASSERT_TRUE(lab_.reload(nine));
    int moved = 0;
    for (const auto& [ip, backend] : after) {
        ASSERT_EQ(reached_by(client(ip)).str(), backend.str()) << ip.str() << " anew";
        if (before.at(ip) == at("10.0.0.2:80")) continue;
        ASSERT_EQ(reached_by(sessions.at(ip)).str(), before.at(ip).str()) << ip.str() << " goes on";
        moved += backend != before.at(ip) ? 1 : 0;
    }
    EXPECT_LT(moved, clients / 50);
}

INSTANTIATE_TEST_SUITE_P(Every, Maglev, testing::ValuesIn(engine_names()));

// Of 1.0.0.1:80 in turn 3 : 1 : 0; the other two by the client, and the range is shifted.
constexpr std::string_view weighed = R"(
defaults: {protocol: both}
services:
  turns: {listen: 1.0.0.1:80, backends: [{endpoint: 10.0.0.2:80, weight: 3}, 10.0.0.3:80, {endpoint: 10.0.0.4:80, weight: 0}]}
  hash: {listen: 1.0.0.1:81, backends: [{endpoint: 10.0.0.2:80, weight: 3}, 10.0.0.3:80], balance: source_hash}
  range: {listen: 1.0.0.1:90-92, backends: [10.0.0.2:90-92, {endpoint: 10.0.0.3:80-82, weight: 9}], balance: maglev}
)";

class Weights : public testing::TestWithParam<std::string> {
protected:
    Weights() : lab_(weighed, GetParam()) {}

    Endpoint answering(Protocol protocol, std::string_view client, const Endpoint& asked) const {
        const auto answer = lab::ask(lab_->host("client"), {protocol, at(client), asked}, ProxyHeader::none, patience);
        EXPECT_TRUE(answer) << answer.error().message << "\n" << lab_->daemon_log();
        return answer ? answer->greeting.leg.destination : Endpoint{};
    }

    const TestLab lab_;
};

TEST_P(Weights, AreShares) {
    ASSERT_TRUE(lab_);
    std::map<std::string, int> flows;
    for (int i = 0; i < 20; ++i) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            ++flows[answering(protocol, "1.0.0.100", at("1.0.0.1:80")).str()];
        }
    }
    EXPECT_NEAR(flows["10.0.0.2:80"], 30, 1);
    EXPECT_NEAR(flows["10.0.0.3:80"], 10, 1);
    EXPECT_EQ(flows.size(), 2u);
}

// 1.0.0.100's hash is 0x9AD53608, so it has the third of the slots 0, 0, 1, 0. Where maglev leads it a program of its
// own has computed.
TEST_P(Weights, CountForHashesToo) {
    ASSERT_TRUE(lab_);
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        EXPECT_EQ(answering(protocol, "1.0.0.100", at("1.0.0.1:81")).str(), "10.0.0.3:80");
        EXPECT_EQ(answering(protocol, "1.0.0.100", at("1.0.0.1:91")).str(), "10.0.0.2:91");
    }
}

// A session outlives the weight that its backend had; nobody new comes.
TEST_P(Weights, AreTakenAwayFromWhoIsToRest) {
    ASSERT_TRUE(lab_);
    std::string rested(weighed);
    rested.replace(rested.find("weight: 3"), 9, "weight: 0");
    const UdpSocket client(lab_->host("client"), at("1.0.0.100"));
    const auto backend = [&](const UdpSocket& asking) {
        asking.send(at("1.0.0.1:80"), "who");
        const auto greeting = asking.receive();
        EXPECT_TRUE(greeting) << lab_->daemon_log();
        return greeting ? greeting->payload : "";
    };
    const std::string before = backend(client);
    ASSERT_TRUE(lab_.reload(rested));
    EXPECT_EQ(backend(client), before);
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(answering(Protocol::tcp, "1.0.0.100", at("1.0.0.1:80")).str(), "10.0.0.3:80");
    }
}

INSTANTIATE_TEST_SUITE_P(Every, Weights, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
