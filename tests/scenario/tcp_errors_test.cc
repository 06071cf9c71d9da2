// No ICMP message ends a connection, of which the proxy has two: RFC 5382 REQ-10. All that are sent here are believed,
// as RFC 5927 has it: they quote the very next byte.
//
//   client or peer ──── 1.0.0.1 gateway ──── server1
//        ╰─ sends errors about its answers      ╰─ sends errors about what it was asked
#include <tuple>

#include "support/packet.h"
#include "support/places.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class TcpErrors : public testing::TestWithParam<std::tuple<std::string, Place>> {};

TEST_P(TcpErrors, OfEveryKindEndNoConnection) {
    const auto& [engine, place] = GetParam();
    const TestLab lab(one_service_a_family, engine, TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Endpoint service = at(place.service);
    const Endpoint backend = at(place.backend);
    const lab::Host& client_host = host_with(lab, at(place.client));
    const lab::Host& backend_host = host_with(lab, backend);
    const Fd server = listen_on(backend_host, backend);
    const Meeting meeting = meet(client_host, service, {&server});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    const Capture at_client(client_host);
    const Capture at_backend(backend_host);

    const auto send_about_the_next = [](const lab::Host& host, const Packet& before, IcmpError error) {
        const auto next = before.tcp().sequence + static_cast<uint32_t>(before.payload().size());
        const TcpFields fields{.sequence = next, .acknowledged = before.tcp().acknowledged};
        error.quoted = read_packet(tcp_packet(before.from, before.to, fields, "lost"));
        send_packet(host, icmp_packet(before.to.ip, before.from.ip, error));
    };
    std::optional<Packet> question, answer;
    for (const IcmpError& error : icmp_errors(service.ip.family())) {
        SCOPED_TRACE(testing::Message() << "type " << int{error.type} << " code " << int{error.code});
        ASSERT_TRUE(meeting.conversation->alive());
        // Not one of those before, sent again.
        const auto is_new = [](const Packet& p, const std::optional<Packet>& before) {
            return !before || p.tcp().sequence != before->tcp().sequence;
        };
        question = at_backend.next([&](const Packet& p) { return p.payload() == "question" && is_new(p, question); });
        answer = at_client.next([&](const Packet& p) { return p.payload() == "answer" && is_new(p, answer); });
        ASSERT_TRUE(question && answer);
        send_about_the_next(backend_host, *question, error);
        send_about_the_next(client_host, *answer, error);
    }
    const std::string stream = noise(300'000);
    auto sent = sending(meeting.conversation->client, stream);
    expect_same(receive(meeting.conversation->backend, stream.size()), stream);
    EXPECT_TRUE(sent.get());
    EXPECT_TRUE(meeting.conversation->alive());
    for (const lab::Host* host : {&client_host, &backend_host, &lab->host("gateway")}) {
        EXPECT_EQ(kernel_counter(*host, "TcpExt", "OutOfWindowIcmps"), 0u);
        EXPECT_EQ(kernel_counter(*host, service.ip.is_v4() ? "Icmp" : "Icmp6", "InErrors"), 0u);
    }
}

std::string name_of(const testing::TestParamInfo<TcpErrors::ParamType>& info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
}
INSTANTIATE_TEST_SUITE_P(Every, TcpErrors,
                         testing::Combine(testing::ValuesIn(engine_names()),
                                          testing::Values(external_v4, peer_v4, external_v6, peer_v6)),
                         name_of);

}  // namespace
}  // namespace hairpin
