// What a running gateway tells of its flows: `hairpin flows`, `hairpin who` and the API that both ask.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ──┬── switch ── server1 10.0.0.2   srv1: tcp, udp
//                                                  ╰── server2 10.0.0.3
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "net/socket.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  srv1: {listen: "1.0.0.1:5432", backends: "10.0.0.2:54321", protocol: both}
  srv2: {listen: "1.0.0.1:1234", backends: "10.0.0.3:12345"}
)";
const Endpoint asked = at("1.0.0.1:5432");
const Endpoint backend = at("10.0.0.2:54321");

using nlohmann::json;

class Flows : public testing::TestWithParam<std::string> {
protected:
    // What a command prints, whose exit status is `status`.
    std::string run(std::vector<std::string> arguments, int status = 0) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_.socket()});
        const Outcome outcome = outcome_of(lab_->host("gateway"), arguments);
        EXPECT_EQ(outcome.status, status) << outcome.output;
        return outcome.output;
    }
    json flows() const { return json::parse(run({"flows", "--json"})).at("flows"); }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
};

Endpoint peer_of(const Fd& socket) { return peer_endpoint(socket.get()).value_or(Endpoint{}); }

TEST_P(Flows, AreListedWithTheClientWhateverTheBackendSees) {
    ASSERT_TRUE(lab_);
    const Fd listener = listen_on(lab_->host("server1"), backend);
    struct Expected {
        const char* host;
        const char* path;
    };
    for (const auto& [host, path] :
         {Expected{"client", "external"}, {"server2", "peer"}, {"server1", "self"}, {"gateway", "local"}}) {
        const Fd client = dial(lab_->host(host), asked);
        const Fd served = accept_from(listener);
        const Conversation conversation{Fd(dup(client.get())), Fd(dup(served.get()))};
        ASSERT_TRUE(conversation.alive()) << host;

        const json all = flows();
        std::vector<json> found;
        for (const json& flow : all) {
            if (flow.at("client") == local_endpoint(client.get()).str() && !flow.at("ended")) found.push_back(flow);
        }
        ASSERT_EQ(found.size(), 1u) << all.dump(2);
        EXPECT_EQ(found[0].at("service"), "srv1");
        EXPECT_EQ(found[0].at("protocol"), "tcp");
        EXPECT_EQ(found[0].at("path"), path);
        EXPECT_EQ(found[0].at("asked"), "1.0.0.1:5432");
        EXPECT_EQ(found[0].at("source"), peer_of(served).str());
        EXPECT_EQ(found[0].at("backend"), "10.0.0.2:54321");

        const std::string who = run({"who", peer_of(served).str(), "--at", "10.0.0.2:54321"});
        EXPECT_EQ(who.find(local_endpoint(client.get()).str() + ", tcp to 1.0.0.1:5432 (srv1, " + path +
                           "), served by 10.0.0.2:54321"),
                  0u)
            << who;
        EXPECT_NE(run({"flows"}).find(peer_of(served).str()), std::string::npos);
    }
}

TEST_P(Flows, TellWhoIsBehindADatagram) {
    ASSERT_TRUE(lab_);
    const UdpSocket server(lab_->host("server1"), backend);
    const UdpSocket client(lab_->host("server2"), at("10.0.0.3"));
    const Endpoint seen = exchange(client, asked, server);

    const std::string who = run({"who", seen.str()});
    EXPECT_EQ(who.find(client.local().str() + ", udp to 1.0.0.1:5432 (srv1, peer), served by 10.0.0.2:54321"), 0u)
        << who;
    EXPECT_EQ(run({"who", seen.str(), "--at", "10.0.0.3"}, 1),
              "hairpin who: nobody: no flow that is remembered shows " + seen.str() + " to 10.0.0.3\n");
}

TEST_P(Flows, CountBytesAndTime) {
    ASSERT_TRUE(lab_);
    command(lab_->host("gateway"),
            "for key in acct timestamp; do echo 1 > /proc/sys/net/netfilter/nf_conntrack_$key; done");
    const Fd listener = listen_on(lab_->host("server1"), backend);
    const Fd client = dial(lab_->host("client"), asked);
    const Fd served = accept_from(listener);
    ASSERT_TRUE(send_all(client, std::string(100'000, 'q')));
    ASSERT_EQ(receive(served, 100'000).size(), 100'000u);
    ASSERT_TRUE(send_all(served, std::string(5000, 'a')));
    ASSERT_EQ(receive(client, 5000).size(), 5000u);

    // A counter may follow the bytes that it counts by a moment.
    json flow;
    EXPECT_TRUE(wait_for([&] {
        const json all = flows();
        if (all.size() != 1 || all[0].at("bytes_to_client").is_null()) return false;
        flow = all[0];
        return flow.at("bytes_to_backend") >= 100'000 && flow.at("bytes_to_client") >= 5000 && flow.at("age_ms") > 0;
    })) << flow.dump();
    const bool counts_payload = GetParam() == "proxy";
    if (counts_payload) {
        EXPECT_EQ(flow.at("bytes_to_backend"), 100'000);
    }
    // With the headers of packets, of which 70 carry the question; as many may say that they came, and more in haste.
    constexpr int headers = 20'000;
    EXPECT_LT(flow.at("bytes_to_backend"), 100'000 + headers);
    EXPECT_LT(flow.at("bytes_to_client"), 5000 + headers);
    EXPECT_LT(flow.at("age_ms"), 60'000);
}

TEST_P(Flows, AreAllListedWhereThereAreMany) {
    ASSERT_TRUE(lab_);
    constexpr size_t many = 1000;
    const Fd listener = listen_on(lab_->host("server1"), backend);
    std::vector<Fd> sockets;
    std::set<std::string> clients;
    for (size_t i = 0; i < many; ++i) {
        sockets.push_back(dial(lab_->host("client"), asked));
        clients.insert(local_endpoint(sockets.back().get()).str());
        sockets.push_back(accept_from(listener));
        ASSERT_TRUE(sockets.back());
    }
    std::multiset<std::string> listed;
    for (const json& flow : flows()) listed.insert(flow.at("client").get<std::string>());
    EXPECT_EQ(listed, std::multiset<std::string>(clients.begin(), clients.end()));
}

TEST_P(Flows, AreForTheOwnerOfTheGatewayAndItsGroup) {
    ASSERT_TRUE(lab_);
    struct stat status {};
    ASSERT_EQ(stat(lab_.socket().c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, 0660u);

    lab_->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab_->daemon().wait(patience));
    EXPECT_NE(stat(lab_.socket().c_str(), &status), 0) << "an orderly stop leaves the socket behind";
    EXPECT_EQ(run({"flows"}, 1).find("hairpin flows: no gateway answers at " + lab_.socket()), 0u);
}

TEST_P(Flows, AreToldOverHttp) {
    ASSERT_TRUE(lab_);
    need_programs({"curl"});
    if (testing::Test::IsSkipped()) return;
    const auto get = [&](const std::string& path, const std::string& method = "GET") {
        return output_of(lab_->host("gateway"), {"curl", "-sS", "-X", method, "-w", " %{http_code} %{content_type}",
                                                 "--unix-socket", lab_.socket(), "http://hairpin" + path});
    };
    EXPECT_EQ(get("/v1/flows"), R"({"flows":[],"unlisted":0} 200 application/json)");
    EXPECT_NE(get("/v1/stats").find(R"({"services":[{"service":"srv1","active":0)"), std::string::npos);
    EXPECT_NE(get("/v1/backends")
                  .find(R"({"backends":[{"service":"srv1","backend":"10.0.0.2:54321","name":null,"state":"unchecked")"),
              std::string::npos);
    EXPECT_NE(get("/v1/status").find("\"pid\":" + std::to_string(lab_->daemon().pid())), std::string::npos);
    EXPECT_EQ(get("/v1/flows?source=1.0.0.1"),
              R"({"error":"source: '1.0.0.1' lacks a port: write ADDRESS:PORT"} 400 application/json)");
    EXPECT_EQ(get("/v1/flows?sauce=1"),
              R"({"error":"there is no parameter sauce, only source or backend"} 400 application/json)");
    EXPECT_EQ(get("/v1/nonsense"), R"({"error":"there is no /v1/nonsense"} 404 application/json)");
    EXPECT_EQ(get("/v1/flows", "DELETE"), R"({"error":"/v1/flows can be asked with GET, HEAD"} 405 application/json)");
}

// The next daemon takes the place of one that was killed, and nobody the place of one that lives.
TEST_P(Flows, AreToldByTheDaemonThatLives) {
    ASSERT_TRUE(lab_);
    const std::vector<std::string> second = {
        hairpin_binary(), "run", "--engine", GetParam(), "--socket", lab_.socket(), "1.0.0.1:99=10.0.0.2:99"};
    const auto refused = lab::Process::start(lab_->host("gateway"), second);
    ASSERT_TRUE(refused);
    EXPECT_TRUE((*refused)->wait_for_output(lab_.socket() + ": another hairpin answers there", patience))
        << (*refused)->output();

    lab_->daemon().signal(SIGKILL);
    ASSERT_TRUE(lab_->daemon().wait(patience));
    const auto next = lab::Process::start(lab_->host("gateway"), second);
    ASSERT_TRUE(next);
    ASSERT_TRUE((*next)->wait_for_output("ready: ", patience)) << (*next)->output();
    EXPECT_EQ(flows().size(), 0u);
}

// An engine in the kernel would serve on where its daemon ended, in place of what was there.
TEST_P(Flows, GoOnWhereAnotherDaemonFindsTheSocketTaken) {
    ASSERT_TRUE(lab_);
    const Fd listener = listen_on(lab_->host("server1"), backend);
    const Outcome refused = outcome_of(lab_->host("gateway"), {hairpin_binary(), "run", "--engine", GetParam(),
                                                               "--socket", lab_.socket(), "1.0.0.1:99=10.0.0.2:99"});
    EXPECT_EQ(refused.status, 1) << refused.output;
    const Meeting meeting = meet(lab_->host("client"), asked, {&listener});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    EXPECT_TRUE(meeting.conversation->alive());
    EXPECT_EQ(flows().size(), 1u);
}

TEST_P(Flows, LeaveNothingInTheKernelWhereTheSocketCannotBe) {
    ASSERT_TRUE(lab_);
    lab_->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab_->daemon().wait(patience));
    const Outcome failed =
        outcome_of(lab_->host("gateway"), {hairpin_binary(), "run", "--engine", GetParam(), "--socket",
                                           "/nowhere/at/all.sock", "1.0.0.1:99=10.0.0.2:99"});
    EXPECT_EQ(failed.status, 1);
    EXPECT_NE(failed.output.find("the API's socket: /nowhere/at/all.sock: No such file or directory"),
              std::string::npos)
        << failed.output;
    EXPECT_EQ(output_of(lab_->host("gateway"), {"nft", "list", "ruleset"}), "");
}

INSTANTIATE_TEST_SUITE_P(Every, Flows, testing::ValuesIn(engine_names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
