// A daemon with another engine comes after one that was killed: clients get what it serves, not what the kernel was
// told before. Where another process still serves, or where we may not clear, the status says so.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway ── switch ──┬── server1 10.0.0.2  the former backend
//   2001:db8::100       2001:db8::1                 ├── server2 fd00::2   likewise
//                                                   ├── server3 10.0.0.3  the new one
//                                                   ╰── server4 fd00::3   likewise
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "engines/registry.h"
#include "lab/prober.h"
#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/udp.h"

namespace hairpin {
namespace {

// `spare` has servers where the new ones are.
constexpr std::string_view former = R"(
sysctls: set
services:
  srv: {listen: "1.0.0.1:5432", backends: "10.0.0.2:54321", protocol: both}
  six: {listen: "[2001:db8::1]:5432", backends: "[fd00::2]:54321", protocol: both}
  spare: {listen: ["1.0.0.1:5433", "[2001:db8::1]:5433"], backends: ["10.0.0.3:54321", "[fd00::3]:54321"], protocol: both}
)";
constexpr std::string_view now = R"(
sysctls: set
services:
  srv: {listen: "1.0.0.1:5432", backends: "10.0.0.3:54321", protocol: both}
  six: {listen: "[2001:db8::1]:5432", backends: "[fd00::3]:54321", protocol: both}
)";
constexpr std::string_view elsewhere = R"(
services:
  other: {listen: "1.0.0.1:9099", backends: "10.0.0.3:54321"}
)";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

class WithRemains : public testing::Test {
protected:
    // In order, whoever serves by now: pins in the kernel outlast the lab.
    void TearDown() override {
        if (!next_) return;
        const auto status = nlohmann::json::parse(
            output_of(host("gateway"), {hairpin_binary(), "status", "--json", "--socket", socket()}), nullptr, false);
        ASSERT_TRUE(status.is_object()) << next_->output();
        const pid_t serving = status.at("pid");
        kill(serving, SIGTERM);
        EXPECT_TRUE(wait_for([&] { return has_ended(serving); })) << next_->output();
        EXPECT_TRUE(next_->wait(patience)) << next_->output();
    }

    void start(const std::string& engine) {
        lab_.emplace(former, engine);
        ASSERT_TRUE(*lab_);
    }
    const TestLab& lab() const { return *lab_; }
    const lab::Host& host(std::string_view name) const { return lab()->host(name); }

    // Another daemon, beside the lab's or after it.
    void start_next(std::string_view yaml, const std::string& engine, std::vector<std::string> wrapper = {}) {
        config_.write(yaml);
        wrapper.insert(wrapper.end(),
                       {hairpin_binary(), "run", "-c", config_.path(), "--engine", engine, "--socket", socket()});
        auto process = lab::Process::start(host("gateway"), wrapper);
        ASSERT_TRUE(process);
        next_ = *std::move(process);
        ASSERT_TRUE(next_->wait_for_output("ready: ", patience)) << next_->output();
    }
    std::string socket() const { return directory_ / "hairpin.sock"; }
    Outcome ask_next(const std::string& command) const {
        return outcome_of(host("gateway"), {hairpin_binary(), command, "--socket", socket()});
    }

    std::string answering(const char* client, Protocol protocol, std::string_view source,
                          std::string_view endpoint) const {
        const Leg leg = {protocol, at(source), at(endpoint)};
        const auto answer = lab::ask(host(client), leg, ProxyHeader::none, patience);
        return answer ? answer->greeting.host : answer.error().message;
    }
    // Outside, and the former backend itself, which is a peer by now.
    void expect_that_the_new_ones_answer() const {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            EXPECT_EQ(answering("client", protocol, "1.0.0.100", "1.0.0.1:5432"), "server3") << next_->output();
            EXPECT_EQ(answering("server1", protocol, "10.0.0.2", "1.0.0.1:5432"), "server3") << next_->output();
            EXPECT_EQ(answering("client", protocol, "2001:db8::100", "[2001:db8::1]:5432"), "server4")
                << next_->output();
            EXPECT_EQ(answering("server2", protocol, "fd00::2", "[2001:db8::1]:5432"), "server4") << next_->output();
        }
    }
    void expect_nothing_wrong() const {
        const Outcome status = ask_next("status");
        EXPECT_EQ(status.status, 0) << status.output;
        EXPECT_TRUE(contains(status.output, "nothing is wrong")) << status.output;
    }
    void expect_problem(std::string_view text) const {
        const Outcome status = ask_next("status");
        EXPECT_EQ(status.status, 1) << status.output;
        EXPECT_TRUE(contains(status.output, text)) << status.output;
    }

    std::optional<TestLab> lab_;
    const TemporaryFile config_{""};
    const TemporaryDirectory directory_;
    std::unique_ptr<lab::Process> next_;
};

std::string_view state_of(std::string_view engine) { return find_engine(engine)->kernel_state; }
std::string cleared(std::string_view engine) {
    return "cleared what engine " + std::string(state_of(engine)) + " had left in the kernel";
}

// Of one engine and then of another, where these do not take over from each other.
using Change = std::pair<std::string, std::string>;

std::vector<Change> changes_of_engine() {
    std::vector<Change> all;
    for (const std::string& before : kernel_engine_names()) {
        for (const std::string& after : engine_names()) {
            if (state_of(before) != state_of(after)) all.emplace_back(before, after);
        }
    }
    return all;
}

class Remains : public WithRemains, public testing::WithParamInterface<Change> {};

TEST_P(Remains, OfAKilledDaemonGiveWayToAnotherEngine) {
    const auto& [before, after] = GetParam();
    start(before);
    ASSERT_EQ(answering("client", Protocol::tcp, "1.0.0.100", "1.0.0.1:5432"), "server1");
    lab().kill_daemon();
    ASSERT_EQ(answering("client", Protocol::tcp, "1.0.0.100", "1.0.0.1:5432"), "server1") << "the kernel goes on";
    start_next(now, after);
    expect_that_the_new_ones_answer();
    expect_nothing_wrong();
    EXPECT_TRUE(contains(next_->output(), cleared(before))) << next_->output();
    const Outcome events = ask_next("events");
    EXPECT_TRUE(contains(events.output, cleared(before))) << events.output;
    EXPECT_EQ(ask_next("upgrade").status, 0) << next_->output();
    expect_that_the_new_ones_answer();
}

std::string name_of(const testing::TestParamInfo<Change>& test) {
    return test.param.first + "_then_" + test.param.second;
}
INSTANTIATE_TEST_SUITE_P(Every, Remains, testing::ValuesIn(changes_of_engine()), name_of);

// What `auto` takes instead, since this limit is not for the kernel.
TEST_F(WithRemains, GiveWayWhereAutoTakesAnotherEngineThanBefore) {
    start("nft");
    lab().kill_daemon();
    start_next("defaults: {limits: {connections_per_client: 50}}\n" + std::string(now), "auto");
    EXPECT_TRUE(contains(next_->output(), "engine proxy")) << next_->output();
    expect_that_the_new_ones_answer();
    expect_nothing_wrong();
}

// One whose state stays where it is.
class BesideAnother : public WithRemains, public testing::WithParamInterface<std::string> {
protected:
    std::string beside() const { return "engine " + std::string(state_of(GetParam())) + " serves here as well"; }
};

TEST_P(BesideAnother, ThatLivesIsLeftAloneAndToldOf) {
    start(GetParam());
    start_next(elsewhere, "proxy");
    const std::string process = ", in process " + std::to_string(lab()->daemon().pid());
    EXPECT_TRUE(contains(next_->output(), beside() + process)) << next_->output();
    expect_problem(beside() + process);
    EXPECT_EQ(answering("client", Protocol::tcp, "1.0.0.100", "1.0.0.1:5432"), "server1");
    EXPECT_EQ(answering("client", Protocol::tcp, "1.0.0.100", "1.0.0.1:9099"), "server3");
    EXPECT_EQ(ask_next("upgrade").status, 0) << next_->output();
    expect_problem(beside() + process);
    EXPECT_EQ(answering("client", Protocol::tcp, "1.0.0.100", "1.0.0.1:5432"), "server1");

    lab()->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab()->daemon().wait(patience));
    expect_nothing_wrong();
}

TEST_P(BesideAnother, ThatIsKilledIsToldOfUntilItIsCleared) {
    start(GetParam());
    start_next(elsewhere, "proxy");
    expect_problem(beside());
    lab().kill_daemon();
    expect_problem("the kernel still does what engine " + std::string(state_of(GetParam())) + " told it");
    EXPECT_EQ(outcome_of(host("gateway"), {hairpin_binary(), "clear"}).status, 0);
    expect_nothing_wrong();
}

INSTANTIATE_TEST_SUITE_P(Every, BesideAnother, testing::ValuesIn(kernel_engine_names()));

// Pins that cannot be removed.
TEST_F(WithRemains, AreToldOfWhereTheyMayNotBeCleared) {
    start("tc");
    lab().kill_daemon();
    start_next(elsewhere, "proxy",
               {"unshare", "--mount", "bash", "-c", R"(mount -o remount,bind,ro /sys/fs/bpf; exec "$@")", "bash"});
    expect_problem("the kernel still does what engine tc or xdp told it");
    expect_problem("we could not: ");
    EXPECT_FALSE(contains(next_->output(), "serves here as well")) << next_->output();
    EXPECT_EQ(outcome_of(host("gateway"), {hairpin_binary(), "clear"}).status, 0);
    expect_nothing_wrong();
}

// Who may not even look says so.
TEST_F(WithRemains, ThatNobodyMaySeeAreNoProblem) {
    start("nft");
    lab()->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab()->daemon().wait(patience));
    start_next(elsewhere, "proxy", unprivileged({}));
    EXPECT_TRUE(contains(next_->output(), "whether engine nft has left something in the kernel cannot be told: "))
        << next_->output();
    expect_nothing_wrong();
}

}  // namespace
}  // namespace hairpin
