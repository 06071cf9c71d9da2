// Forged segments end no connection (RFC 5961, RFC 7857 2.2). What connection tracking finds out of window it does not
// translate: it then is for the gateway itself, whose TCP knows nothing of the connection and would reset it.
//
//   client, peer or server 1 ──── gateway ──── server 1
//        ╰─ and somebody in its name              ╰─ and somebody in its name
#include <tuple>

#include "net/socket.h"
#include "support/packet.h"
#include "support/places.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

enum class Kind : uint8_t { data, reset, syn };
struct Forgery {
    const char* name;
    Kind kind;
    uint32_t distance;  // from a sequence number in use
    bool acknowledges;
};
void PrintTo(const Forgery& forgery, std::ostream* out) { *out << forgery.name; }
constexpr uint32_t far = 200'000'000;
constexpr Forgery forgeries[] = {
    {"DataFarAhead", Kind::data, far, true},     {"DataFarBehind", Kind::data, 0U - far, true},
    {"ResetFarAhead", Kind::reset, far, false},  {"ResetWithAckFarAhead", Kind::reset, far, true},
    {"ResetInWindow", Kind::reset, 1000, false}, {"SynInWindow", Kind::syn, 1000, false},
    {"SynFarAhead", Kind::syn, far, false},
};
using Case = std::tuple<std::string, Place, Forgery>;

class ForgedTcp : public testing::TestWithParam<Case> {
protected:
    // One lab an engine for all its cases.
    static const TestLab& lab(const std::string& engine) {
        auto& lab = labs_[engine];
        if (!lab) lab = std::make_unique<TestLab>(one_service_a_family, engine, TestLab::Backends::none);
        return *lab;
    }
    static void TearDownTestSuite() { labs_.clear(); }

private:
    static inline std::map<std::string, std::unique_ptr<TestLab>> labs_;
};

TEST_P(ForgedTcp, EndsNoTransfer) {
    const auto& [engine, place, forgery] = GetParam();
    const TestLab& test_lab = lab(engine);
    ASSERT_TRUE(test_lab);
    const Endpoint service = at(place.service);
    const Endpoint backend = at(place.backend);
    const lab::Host& client_host = host_with(test_lab, at(place.client));
    const lab::Host& backend_host = host_with(test_lab, backend);
    const Fd server = listen_on(backend_host, backend);

    // What a driver sends on the gateway never sees; segments that are translated are the same at either end but for
    // addresses and ports.
    const bool translates = abilities_of(engine).foreign_source;
    const Capture question_seen(translates ? backend_host : test_lab->host("gateway"));
    const Capture answer_seen(translates ? client_host : test_lab->host("gateway"));
    const Meeting meeting = meet(client_host, service, {&server});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    ASSERT_TRUE(meeting.conversation->alive());
    auto question = question_seen.next(
        [&](const Packet& p) { return p.to == (translates ? backend : service) && !p.payload().empty(); });
    auto answer = answer_seen.next(
        [&](const Packet& p) { return p.from == (translates ? service : backend) && !p.payload().empty(); });
    ASSERT_TRUE(question && answer);
    if (translates) {
        std::tie(question->from, question->to) = std::pair(local_endpoint(meeting.conversation->client.get()), service);
        std::tie(answer->from, answer->to) = std::pair(backend, *peer_endpoint(meeting.conversation->backend.get()));
    }

    // The next byte of each side, and so what the other one acknowledges while it only sends.
    uint32_t of_client = question->tcp().sequence + static_cast<uint32_t>(question->payload().size());
    const uint32_t of_backend = answer->tcp().sequence + static_cast<uint32_t>(answer->payload().size());
    const auto forge = [&](const lab::Host& host, const Packet& like, uint32_t next, uint32_t acknowledged) {
        TcpFields fields{.sequence = next + forgery.distance, .window = like.tcp().window};
        fields.syn = forgery.kind == Kind::syn;
        fields.rst = forgery.kind == Kind::reset;
        if (forgery.acknowledges) fields.acknowledged = acknowledged;
        send_packet(host, tcp_packet(like.from, like.to, fields, forgery.kind == Kind::data ? "forged" : ""));
    };
    const auto& [client, server_end] = *meeting.conversation;
    const std::string bytes = noise(4'000'000);
    auto to_backend = sending(client, bytes);
    std::string received = receive(server_end, 1'000'000);
    forge(client_host, *question, of_client, of_backend);
    received += receive(server_end, 3'000'000);
    expect_same(received, bytes);
    EXPECT_TRUE(to_backend.get());

    of_client += static_cast<uint32_t>(bytes.size());
    auto to_client = sending(server_end, bytes);
    received = receive(client, 1'000'000);
    forge(backend_host, *answer, of_backend, of_client);
    received += receive(client, 3'000'000);
    expect_same(received, bytes);
    EXPECT_TRUE(to_client.get());
    EXPECT_TRUE(meeting.conversation->alive());
    finish(client);
    finish(server_end);
    expect_whole(receive_to_end(server_end), "");
    expect_whole(receive_to_end(client), "");
}

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const std::string& engine : engine_names()) {
        for (const Place& place : {external_v4, peer_v4, self_v4, external_v6, peer_v6, self_v6}) {
            for (const Forgery& forgery : forgeries) all.emplace_back(engine, place, forgery);
        }
    }
    return all;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
    const auto& [engine, place, forgery] = info.param;
    return engine + "_" + place.name + "_" + forgery.name;
}

INSTANTIATE_TEST_SUITE_P(Every, ForgedTcp, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace hairpin
