// What the kernel is to send on it must be let: where it is not, an engine that translates packets says so, or lets it
// for as long as it serves.
//
//   client, server2, server1 itself or the gateway ──── gateway 1.0.0.1, whose kernel forwards nothing ──── server1
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>

#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/two_services.h"

namespace hairpin {
namespace {

class Forwarding : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        ASSERT_TRUE(lab_);
        lab_->daemon().signal(SIGTERM);
        ASSERT_TRUE(lab_->daemon().wait(patience));
        command(lab_->host("gateway"), "sysctl -qw net.ipv4.ip_forward=0");
    }

    std::unique_ptr<lab::Process> run(const TemporaryFile& config) const {
        auto started = lab::Process::start(lab_->host("gateway"), {hairpin_binary(), "run", "-c", config.path(),
                                                                   "--engine", GetParam(), "--socket", "none"});
        EXPECT_TRUE(started);
        return *std::move(started);
    }
    // IPv4's, then IPv6's.
    std::string forwarding() const {
        return output_of(lab_->host("gateway"),
                         {"sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"});
    }

    const TestLab lab_{two_services, GetParam()};
};

TEST_P(Forwarding, ThatIsOffIsAnErrorThatSaysWhatToDo) {
    const TemporaryFile config(two_services);
    const auto daemon = run(config);
    const auto status = daemon->wait(patience);
    ASSERT_TRUE(status);
    EXPECT_EQ(WEXITSTATUS(*status), 1);
    EXPECT_NE(
        daemon->output().find("net.ipv4.ip_forward is 0, so the kernel would drop what is for 10.0.0.2: run `sysctl "
                              "-w net.ipv4.ip_forward=1`"),
        std::string::npos)
        << daemon->output();
    EXPECT_EQ(forwarding(), "0\n1\n");
}

TEST_P(Forwarding, ThatIsOffIsForetoldByCheck) {
    const auto notes = [&](const std::string& text) {
        const TemporaryFile config(text);
        const Outcome checked = outcome_of(lab_->host("gateway"), {hairpin_binary(), "check", config.path()});
        EXPECT_EQ(checked.status, 0) << checked.output;
        return checked.output;
    };
    const std::string configured = fmt::format("engine: {}\n{}", GetParam(), two_services.substr(1));
    const std::string off = "note: on this machine: `hairpin run` would fail, as this user: net.ipv4.ip_forward is 0";
    EXPECT_NE(notes(configured).find(off), std::string::npos) << notes(configured);
    EXPECT_EQ(notes("sysctls: set\n" + configured).find("would fail"), std::string::npos);
    command(lab_->host("gateway"), "sysctl -qw net.ipv4.ip_forward=1");
    EXPECT_EQ(notes(configured).find("would fail"), std::string::npos) << notes(configured);
}

// Only the one that was off, and whatever happened to the daemon that turned it on.
TEST_P(Forwarding, ThatWeTurnedOnIsOffAgainAfterAStop) {
    const TemporaryFile config("sysctls: set\n" + std::string(two_services));
    auto daemon = run(config);
    ASSERT_TRUE(daemon->wait_for_output("ready: ", patience)) << daemon->output();
    EXPECT_EQ(forwarding(), "1\n1\n");
    expect_service(lab_);
    daemon->signal(SIGKILL);
    ASSERT_TRUE(daemon->wait(patience));
    expect_service(lab_);
    daemon = run(config);
    ASSERT_TRUE(daemon->wait_for_output("ready: ", patience)) << daemon->output();
    if (GetParam() == "nft") {
        command(lab_->host("gateway"), "nft flush ruleset");  // and with it what we knew of it
        ASSERT_TRUE(daemon->wait_for_output("somebody removed the table", patience)) << daemon->output();
    }
    daemon->signal(SIGTERM);
    daemon->signal(SIGTERM);  // at once
    ASSERT_TRUE(daemon->wait(patience));
    EXPECT_EQ(forwarding(), "0\n1\n");
}

INSTANTIATE_TEST_SUITE_P(By, Forwarding, testing::ValuesIn(kernel_engine_names()));

}  // namespace
}  // namespace hairpin
