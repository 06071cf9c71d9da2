// `engine: auto` takes the best engine that the machine and the configuration allow, and says why not a better one.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <csignal>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
engine: auto
services:
  srv1: {listen: "1.0.0.1:5432", backends: "10.0.0.2:54321"}
)";

class EngineAuto : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(lab_);
        lab_->daemon().signal(SIGTERM);
        ASSERT_TRUE(lab_->daemon().wait(patience));
    }

    // What `run` says until it serves or ends.
    std::string run(std::string_view text, std::string_view awaited = "ready: ",
                    const std::function<std::vector<std::string>(std::vector<std::string>)>& wrap = {}) {
        config_.write(text);
        std::vector<std::string> argv = {hairpin_binary(), "run", "-c", config_.path(), "--socket", "none"};
        auto process = lab::Process::start(lab_->host("gateway"), wrap ? wrap(argv) : argv);
        EXPECT_TRUE(process);
        if (!process) return {};
        process_ = *std::move(process);
        EXPECT_TRUE(process_->wait_for_output(awaited, patience)) << process_->output();
        return process_->output();
    }
    std::string seen_by_server() const {
        const Leg leg = {Protocol::tcp, at("1.0.0.100"), at("1.0.0.1:5432")};
        const auto answer = lab::ask(lab_->host("client"), leg, ProxyHeader::none, patience);
        return answer ? answer->greeting.leg.source.ip.str() : answer.error().message;
    }

    const TestLab lab_{yaml};  // its proxy makes room for others
    const TemporaryFile config_{yaml};
    std::unique_ptr<lab::Process> process_;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST_F(EngineAuto, TakesTheKernelsNatWhereItMay) {
    const std::string foretold = output_of(lab_->host("gateway"), {hairpin_binary(), "check", config_.path()});
    EXPECT_TRUE(contains(foretold, "on this machine: engine auto takes nft")) << foretold;
    const std::string said = run(yaml);
    EXPECT_TRUE(contains(said, "engine nft")) << said;
    EXPECT_FALSE(contains(said, "engine auto: not")) << said;
    EXPECT_EQ(seen_by_server(), "1.0.0.100");
}

TEST_F(EngineAuto, TakesTheProxyWhereSomebodyElseWouldDropWhatTheKernelForwards) {
    command(lab_->host("gateway"),
            "nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'");
    const std::string said = run(yaml);
    EXPECT_TRUE(contains(said, "engine auto: not nft: the chain ip filter FORWARD drops what it does not know"))
        << said;
    EXPECT_TRUE(contains(said, "engine proxy")) << said;
    EXPECT_EQ(seen_by_server(), "1.0.0.1");
}

TEST_F(EngineAuto, TakesTheProxyWhereLiveConnectionsAreBoundedAndNftWhereNewOnesAre) {
    const std::string services(yaml.substr(1));
    const std::string bounded = run("defaults: {limits: {connections_per_client: 5}}\n" + services);
    EXPECT_TRUE(contains(bounded, "engine auto: not nft: service srv1: limits: where a reload changes a number"))
        << bounded;
    EXPECT_TRUE(contains(bounded, "engine proxy")) << bounded;
    EXPECT_EQ(seen_by_server(), "1.0.0.1");
    process_->signal(SIGTERM);
    ASSERT_TRUE(process_->wait(patience));
    const std::string rated = run("defaults: {limits: {new_per_second: 500}}\n" + services);
    EXPECT_TRUE(contains(rated, "engine nft")) << rated;
    EXPECT_EQ(seen_by_server(), "1.0.0.100");
}

TEST_F(EngineAuto, TakesTheProxyWhereTheKernelDoesNotForward) {
    command(lab_->host("gateway"), "echo 0 > /proc/sys/net/ipv4/ip_forward");
    const std::string said = run(yaml);
    EXPECT_TRUE(contains(said, "engine auto: not nft: net.ipv4.ip_forward is 0")) << said;
    EXPECT_TRUE(contains(said, "engine proxy")) << said;
}

TEST_F(EngineAuto, TakesTheProxyWithoutPrivileges) {
    const std::string said = run(yaml, "ready: ", unprivileged);
    EXPECT_TRUE(contains(said, "engine auto: not nft: ")) << said;
    EXPECT_TRUE(contains(said, "CAP_NET_ADMIN")) << said;
    EXPECT_TRUE(contains(said, "engine proxy")) << said;
    EXPECT_EQ(seen_by_server(), "1.0.0.1");
}

TEST_F(EngineAuto, TakesTheProxyWhereTheConfigurationAsksForWhatOnlyItCanDo) {
    const std::string said = run(std::string(yaml) + "  srv2: {listen: \"1.0.0.1:80\", backends: \"[fd00::2]:80\"}\n");
    EXPECT_TRUE(contains(said, "engine auto: not nft: service srv2: 1.0.0.1:80 is not led to [fd00::2]:80")) << said;
    EXPECT_TRUE(contains(said, "engine proxy")) << said;
}

TEST_F(EngineAuto, SaysOfEachWhyNoneWillDo) {
    const std::string said =
        run("engine: auto\nservices:\n  srv1: {listen: \"1.0.0.1:5432\", backends: \"10.0.0.2:54321\", source: keep}\n",
            "no engine can serve this here: ", unprivileged);
    EXPECT_TRUE(contains(said, "nft: ")) << said;
    EXPECT_TRUE(contains(said, "proxy: service srv1: source: keep")) << said;
    const auto status = process_->wait(patience);
    EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 1);
}

}  // namespace
}  // namespace hairpin
