// What lived when `hairpin upgrade` came is known to the new process, wherever it lives, and ends with that where that
// is stopped in order: not where it is killed, or upgraded in its turn.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "net/socket.h"
#include "support/take_out.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

class Retired : public TakeOut {
protected:
    void TearDown() override {  // whoever serves last takes everything out of the kernel
        if (next_) {
            next_->signal(SIGTERM);
            next_->signal(SIGTERM);
            EXPECT_TRUE(next_->wait(patience)) << next_->output();
        } else if (serving_ > 0 && kill(serving_, SIGTERM) == 0) {
            kill(serving_, SIGTERM);
            EXPECT_TRUE(wait_for([this] { return ask({"status"}).status == 2; })) << lab()->daemon_log();
        }
    }

    static std::string text(std::string_view drain_timeout) {
        return "drain_timeout: " + std::string(drain_timeout) + "\n" + yaml();
    }
    json told(const std::string& what) const {
        const auto answer = json::parse(ask({what, "--json"}).output, nullptr, false);
        EXPECT_TRUE(answer.is_object()) << what;
        return answer.is_object() ? answer : json::object();
    }
    void upgrade() {
        ASSERT_EQ(ask({"upgrade"}).status, 0) << lab()->daemon_log();
        serving_ = told("status").at("pid");
    }
    void stop() {  // whoever serves
        ASSERT_EQ(kill(serving_, SIGTERM), 0);
        serving_ = 0;
    }
    int files_of_the_retired() const {
        int count = 0;
        const std::filesystem::path socket = lab().socket();
        for (const auto& entry : std::filesystem::directory_iterator(socket.parent_path())) {
            count += entry.path().string().starts_with(socket.string() + ".retired.");
        }
        return count;
    }
    void expect_first_process_to_end() const {
        const auto status = lab()->daemon().wait(3 * patience);
        ASSERT_TRUE(status) << "it goes on\n" << lab()->daemon_log();
        EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << lab()->daemon_log();
    }
    void start_next_daemon() {
        next_ = start_server(
            host("gateway"),
            {hairpin_binary(), "run", "-c", config_.path(), "--engine", GetParam(), "--socket", lab().socket()},
            "ready: ");
        ASSERT_TRUE(next_);
    }
    bool is_listed(const Conversation& made) const {
        const json flows = told("flows").at("flows");
        const std::string client = local_endpoint(made.client.get()).str();
        return std::ranges::any_of(flows,
                                   [&](const json& flow) { return flow.at("client") == client && !flow.at("ended"); });
    }

    pid_t serving_ = 0;  // after an upgrade
    const TemporaryFile config_{text("2s")};
    std::unique_ptr<lab::Process> next_;
};

TEST_P(Retired, FlowsAreListedAndCounted) {
    start();
    const Conversation outside = converse_with("client", first);
    const Conversation hairpinned = converse_with("peer", first);
    upgrade();
    const Conversation later = converse_with("client", second);
    upgrade();
    for (const Conversation* each : {&outside, &hairpinned, &later}) {
        ASSERT_TRUE(each->alive()) << lab()->daemon_log();
        EXPECT_TRUE(is_listed(*each)) << told("flows");
        const Endpoint source = *peer_endpoint(each->backend.get());
        const Outcome who = ask({"who", source.str()});
        EXPECT_EQ(who.status, 0) << who.output;
        EXPECT_EQ(who.output.find(local_endpoint(each->client.get()).str() + ", tcp to 1.0.0.1:1044 (srv, "), 0u)
            << who.output;
    }
    EXPECT_NE(
        ask({"who", peer_endpoint(hairpinned.backend.get())->str()}).output.find("(srv, peer), served by 10.0.0.2"),
        std::string::npos);
    const Outcome flows = ask({"flows"});
    EXPECT_NE(flows.output.find("\n3 flows\n"), std::string::npos) << flows.output;
    EXPECT_EQ(told("services").at("services").at(0).at("active"), 3);
    const std::string metrics =
        output_of(host("gateway"), {"curl", "-sS", "--unix-socket", lab().socket(), "http://hairpin/metrics"});
    EXPECT_NE(metrics.find("hairpin_flows_active{service=\"srv\"} 3\n"), std::string::npos) << metrics;
}

TEST_P(Retired, FlowsAreForgottenAsTheyEnd) {
    start();
    std::optional<Conversation> made = converse_with("client", first);
    upgrade();
    ASSERT_TRUE(is_listed(*made));
    const std::string client = local_endpoint(made->client.get()).str();
    reset(std::move(made->client));
    made.reset();
    EXPECT_TRUE(wait_for([&] { return told("services").at("services").at(0).at("active") == 0; }));
    const json flows = told("flows").at("flows");
    for (const json& flow : flows) EXPECT_TRUE(flow.at("client") != client || flow.at("ended") == true) << flow;
    expect_first_process_to_end();
    EXPECT_EQ(files_of_the_retired(), 0);
}

TEST_P(Retired, ConnectionsHaveTheTimeThatAStopGivesThem) {
    start(text("8s"));
    const Conversation outside = converse_with("client", first);
    const Conversation hairpinned = converse_with("peer", first);
    const Conversation finishes = converse_with("peer", second);
    upgrade();
    const auto before = steady_clock::now();
    stop();
    for (const Conversation* each : {&outside, &hairpinned, &finishes}) EXPECT_TRUE(each->alive());
    finish(finishes.client);
    EXPECT_EQ(receive_to_end(finishes.backend).error, 0) << "it was not cut";
    finish(finishes.backend);
    EXPECT_EQ(receive_to_end(finishes.client).error, 0) << "it was not cut";
    expect_first_process_to_end();
    EXPECT_TRUE(wait_for([this] { return ask({"status"}).status == 2; }));
    EXPECT_GE(steady_clock::now() - before, 8s) << lab()->daemon_log();
    expect_cut(outside);
    expect_cut(hairpinned);
    EXPECT_EQ(files_of_the_retired(), 0);
}

TEST_P(Retired, AreDoneWithTheirLastConnectionAfterAStop) {
    start(text("1h"));
    std::optional<Conversation> made = converse_with("client", first);
    upgrade();
    upgrade();
    stop();
    EXPECT_TRUE(made->alive());
    finish(made->client);
    finish(made->backend);
    expect_first_process_to_end();
    EXPECT_TRUE(wait_for([this] { return ask({"status"}).status == 2 && files_of_the_retired() == 0; }));
}

TEST_P(Retired, AreCutWhereTheOperatorInsists) {
    start(text("1h"));
    const Conversation made = converse_with("client", first);
    upgrade();
    const Conversation later = converse_with("peer", first);
    const pid_t process = serving_;
    stop();
    EXPECT_TRUE(lab()->daemon().wait_for_output("SIGTERM: no new connections", patience)) << lab()->daemon_log();
    EXPECT_TRUE(made.alive());
    EXPECT_EQ(kill(process, SIGTERM), 0);
    expect_first_process_to_end();
    EXPECT_TRUE(wait_for([this] { return ask({"status"}).status == 2; }));
    expect_cut(made);
    expect_cut(later);
}

// And end with the daemon after it.
TEST_P(Retired, OutliveOneThatIsKilledOrUpgraded) {
    start(text("2s"));
    const Conversation made = converse_with("client", first);
    upgrade();
    const pid_t between = serving_;
    upgrade();
    if (GetParam() == "proxy") {  // until then they hold the sockets that clients come to, for a second
        EXPECT_TRUE(wait_for([&] { return has_ended(between); })) << "nothing lives there";
        EXPECT_TRUE(lab()->daemon().wait_for_output("1 live connection goes on in this process", patience));
    }
    ASSERT_EQ(kill(serving_, SIGKILL), 0);
    const auto killed = steady_clock::now();
    ASSERT_TRUE(wait_for([this] { return has_ended(serving_); }));
    serving_ = 0;
    start_next_daemon();
    const auto enough = [&] { return steady_clock::now() - killed > 4s; };  // for an order to stop to have cut it
    EXPECT_TRUE(wait_for([&] { return enough() && backend(first).at("active") == 1; })) << backend(first);
    EXPECT_TRUE(made.alive());
    next_->signal(SIGTERM);
    expect_first_process_to_end();
    EXPECT_TRUE(next_->wait(patience)) << next_->output();
    next_.reset();
    expect_cut(made);
}

INSTANTIATE_TEST_SUITE_P(Every, Retired, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
