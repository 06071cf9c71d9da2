// The lab itself: it must see what is broken, and leave nothing behind.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "support/binary.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

using lab::Lab;
using lab::Row;
using lab::Verdict;

// Server 1 and server 2 behind one gateway: examples/hairpinning.yaml.
lab::Plan plan() {
    Service srv1;
    srv1.name = "srv1";
    srv1.listen = {*EndpointRange::parse("1.0.0.1:5432")};
    srv1.backends = {{*EndpointRange::parse("10.0.0.2:54321")}};
    Service srv2 = srv1;
    srv2.name = "srv2";
    srv2.listen = {*EndpointRange::parse("1.0.0.1:1234")};
    srv2.backends = {{*EndpointRange::parse("10.0.0.3:12345")}};
    return lab::make_plan(Ruleset({srv1, srv2}), {.foreign_source = false, .cross_family = true});
}

// A gateway that runs a line of shell in place of hairpin.
std::vector<std::string> shell(const std::string& line) { return {"sh", "-c", line}; }
const std::string idle = "echo 'ready: nothing'; exec sleep infinity";

class LabItself : public testing::Test {
protected:
    void SetUp() override {
        const auto gained = lab::gain_privileges();
        ASSERT_TRUE(gained) << gained.error().message;
    }
};

TEST_F(LabItself, FailsEveryPathOfAGatewayThatServesNothing) {
    const auto started = Lab::start(plan(), {.command = shell(idle)});
    ASSERT_TRUE(started) << started.error().message;
    const std::vector<Row> rows = (*started)->prove();
    ASSERT_EQ(rows.size(), 12u);
    EXPECT_FALSE(lab::holds(rows));
    for (const Row& row : rows) {
        const bool is_direct = row.path == lab::direct;
        EXPECT_EQ(row.verdict, is_direct ? Verdict::ok : Verdict::failed) << row.path << ": " << row.message;
        EXPECT_EQ(row.message, is_direct ? "" : "connect: Connection refused");
    }
}

TEST_F(LabItself, FailsAGatewayThatSendsFromTheWrongAddress) {
    // Nothing says which source address to use, so the route chooses 10.0.0.1.
    const auto started =
        Lab::start(plan(), {.command = shell("(until ss -Htln | grep -q 1.0.0.1:5432; do :; done; "
                                             "echo 'ready: socat') & exec socat -t5 "
                                             "TCP4-LISTEN:5432,bind=1.0.0.1,fork,reuseaddr TCP4:10.0.0.2:54321")});
    ASSERT_TRUE(started) << started.error().message;
    const std::vector<Row> rows = (*started)->prove();
    const auto external =
        std::ranges::find_if(rows, [](const Row& row) { return row.path == "external" && row.service == "srv1"; });
    ASSERT_NE(external, rows.end());
    EXPECT_EQ(external->verdict, Verdict::failed);
    EXPECT_EQ(external->seen, "10.0.0.1");
    EXPECT_EQ(external->expected, "1.0.0.1");
}

TEST_F(LabItself, ShowsTheLogOfADaemonThatDoesNotBecomeReady) {
    const auto started = Lab::start(plan(), {.command = shell("echo no such luck; exit 1")});
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("no such luck"), std::string::npos) << started.error().message;
}

TEST_F(LabItself, ShellRunsOnTheHostThatWasAskedFor) {
    const TemporaryFile seen("");
    const TemporaryFile script("#!/bin/sh\nip -o addr show eth0 > " + seen.path() + "\n");
    ASSERT_EQ(chmod(script.path().c_str(), 0700), 0);
    const auto started = Lab::start(plan(), {.command = shell(idle)});
    ASSERT_TRUE(started) << started.error().message;
    setenv("SHELL", script.path().c_str(), 1);
    const auto ran = (*started)->shell("server2");
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(system(("grep -q 10.0.0.3/24 " + seen.path()).c_str()), 0);

    const auto unknown = (*started)->shell("server9");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().message,
              "no host 'server9' in this lab; there are: gateway client server1 server2 routed");
}

TEST_F(LabItself, ProvesAFileThatCanBeReadOnlyOnce) {
    const TemporaryFile file("services: {srv1: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}}\n");
    const std::string command = "cat " + file.path() + " | " + hairpin_binary() + " lab /dev/stdin >/dev/null";
    EXPECT_EQ(system(command.c_str()), 0);
}

// The lab's servers speak no HTTP, and no client is refused for that.
TEST_F(LabItself, ProvesPathsWhateverTheHealth) {
    const TemporaryFile file(
        "services: {web: {listen: 1.0.0.1:80, backends: 10.0.0.2:80, health: {kind: http, when_none: refuse}}}");
    const std::string command = hairpin_binary() + " lab " + file.path() + " >/dev/null";
    EXPECT_EQ(system(command.c_str()), 0);
}

// True while a process with this id exists and is no zombie that nobody waits for.
bool is_running(pid_t pid) {
    const std::string command = "grep -qs '^State:.[^Z]' /proc/" + std::to_string(pid) + "/status";
    return system(command.c_str()) == 0;
}

TEST_F(LabItself, LeavesNothingBehindWhenItIsKilled) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto started = Lab::start(plan(), {.command = shell(idle)});
        const pid_t daemon = started ? (*started)->daemon().pid() : -1;
        [[maybe_unused]] const auto written = write(pipe_ends[1], &daemon, sizeof daemon);
        raise(SIGKILL);
    }
    pid_t daemon = -1;
    ASSERT_EQ(read(pipe_ends[0], &daemon, sizeof daemon), static_cast<ssize_t>(sizeof daemon));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_GT(daemon, 0);
    EXPECT_TRUE(wait_for([&] { return !is_running(daemon); }));
}

}  // namespace
}  // namespace hairpin
