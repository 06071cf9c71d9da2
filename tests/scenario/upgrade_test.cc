// `hairpin upgrade`: another process of a newer version serves in the place of the old one, and no client notices.
//
//   client ────── gateway ─────────────────── server1, an echo server
//                 old process ──> new process
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/binary.h"
#include "support/churn.h"
#include "support/echo_server.h"
#include "support/program.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  tcp: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044"}
  udp: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  range: {listen: "1.0.0.1:3000-3299", backends: "10.0.0.2:4000-4299"}
)";

// The daemon runs from a file of its own, which can be replaced as a package manager does it.
class Upgrade : public testing::TestWithParam<std::string> {
protected:
    Upgrade() {
        std::filesystem::copy_file(hairpin_binary(), program_);
        lab_ = std::make_unique<TestLab>(
            yaml, GetParam(), TestLab::Backends::none,
            std::vector<std::string>{"bash", "-c", "shift; exec " + program_ + " \"$@\"", "bash"});
    }

    void SetUp() override { ASSERT_TRUE(*lab_); }

    const TestLab& lab() const { return *lab_; }
    Outcome hairpin(const std::string& command, const std::string& argument = "") const {
        std::vector<std::string> line{hairpin_binary(), command, "--socket", lab().socket()};
        if (!argument.empty()) line.push_back(argument);
        return outcome_of(lab()->host("gateway"), line);
    }
    std::string serving_pid() const {
        return std::to_string(nlohmann::json::parse(hairpin("status", "--json").output).at("pid").get<int>());
    }
    Fd connected() const {
        return connect_from(lab()->host("client"), {Protocol::tcp, at("0.0.0.0"), at("1.0.0.1:1044")});
    }
    void replace_program(const std::string& by) const { std::filesystem::rename(by, program_); }

    const TemporaryDirectory directory_;
    const std::string program_ = directory_ / "hairpin";
    std::unique_ptr<TestLab> lab_;
};

TEST_P(Upgrade, IsNoticedByNobody) {
    const EchoServer server(lab()->host("server1"), at("10.0.0.2:2044"));
    const Fd lives = connected();
    ASSERT_TRUE(lives);
    Churn outside(lab()->host("client"), at("1.0.0.1:1044"));
    Churn self(lab()->host("server1"), at("1.0.0.1:1044"));
    for (int i = 0; i < 3; ++i) {
        const Outcome outcome = hairpin("upgrade");
        EXPECT_EQ(outcome.status, 0) << outcome.output << lab()->daemon_log();
        for (Churn* load : {&outside, &self}) EXPECT_TRUE(load->goes_on()) << lab()->daemon_log();
    }
    for (Churn* load : {&outside, &self}) {
        const Tally tally = load->stop();
        EXPECT_EQ(tally.failures, 0u) << tally.first_failure << "\n" << lab()->daemon_log();
    }
    EXPECT_TRUE(send_all(lives, "still here"));
    EXPECT_EQ(receive(lives, 10), "still here");
}

// Each waits for its echo before it sends the next datagram: none is lost, on the way there or back.
TEST_P(Upgrade, LosesNoDatagram) {
    UdpSocket server(lab()->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket client(lab()->host("client"), at("0.0.0.0"));
    auto upgraded = std::async(std::launch::async, [&] { return hairpin("upgrade").status; });
    int after = 0;  // the upgrade
    for (int i = 0; after < 200; ++i) {
        const std::string number = std::to_string(i);
        client.send(at("1.0.0.1:1044"), number);
        const auto asked = server.receive();
        ASSERT_TRUE(asked) << number << lab()->daemon_log();
        server.send(asked->from, number);
        const auto answer = client.receive();
        ASSERT_TRUE(answer) << number << lab()->daemon_log();
        EXPECT_EQ(answer->payload, number);
        if (upgraded.wait_for(std::chrono::seconds(0)) == std::future_status::ready) ++after;
    }
    EXPECT_EQ(upgraded.get(), 0) << lab()->daemon_log();
}

TEST_P(Upgrade, RunsTheFileThatIsThereNow) {
    const EchoServer server(lab()->host("server1"), at("10.0.0.2:2044"));
    Fd lives = connected();
    std::filesystem::copy_file(program_, directory_ / "new");
    const auto inode = [](const std::string& path) {
        struct stat status {};
        stat(path.c_str(), &status);
        return status.st_ino;
    };
    const auto new_inode = inode(directory_ / "new");
    replace_program(directory_ / "new");
    const std::string old_pid = serving_pid();
    ASSERT_EQ(hairpin("upgrade").status, 0) << lab()->daemon_log();
    const std::string new_pid = serving_pid();
    EXPECT_NE(new_pid, old_pid);
    EXPECT_EQ(inode("/proc/" + new_pid + "/exe"), new_inode);
    // The old one ends with what it carries.
    lives.reset();
    const auto is_over = [&] {
        std::ifstream status("/proc/" + old_pid + "/stat");
        std::string text;
        return !std::getline(status, text) || text.find(") Z ") != std::string::npos;
    };
    EXPECT_TRUE(wait_for(is_over)) << lab()->daemon_log();
    EXPECT_TRUE(connected()) << lab()->daemon_log();
}

TEST_P(Upgrade, IsRefusedWhereTheNewOneCouldNotServe) {
    const EchoServer server(lab()->host("server1"), at("10.0.0.2:2044"));
    const Fd lives = connected();
    const std::string pid = serving_pid();
    struct Hindrance {
        const char* what;
        std::string program;
    };
    for (const auto& [what, program] : {Hindrance{"it does not start", "exit 1"},
                                        Hindrance{"it ends when it should begin", "printf '?' >&3; exit 1"}}) {
        const std::string file = directory_ / "broken";
        std::ofstream(file) << "#!/bin/sh\n" << program << "\n";
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        replace_program(file);
        const Outcome outcome = hairpin("upgrade");
        EXPECT_EQ(outcome.status, 1) << what;
        EXPECT_NE(outcome.output.find("the new hairpin ended before it served"), std::string::npos) << outcome.output;
        EXPECT_EQ(serving_pid(), pid) << what << lab()->daemon_log();
        EXPECT_TRUE(connected()) << what << lab()->daemon_log();
        EXPECT_TRUE(send_all(lives, "x")) << what;
        EXPECT_EQ(receive(lives, 1), "x") << what;
    }
}

// The new one finds out by itself, at any point of its start, why it cannot serve.
TEST_P(Upgrade, ThatIsRefusedSaysWhyAndLeavesTheOldOneAsItWas) {
    const EchoServer server(lab()->host("server1"), at("10.0.0.2:2044"));
    const EchoServer stranger(lab()->host("gateway"), at("127.0.0.1:7000"));
    const Fd lives = connected();
    const auto gateway = [&](const std::string& line) { command(lab()->host("gateway"), line); };
    struct Hindrance {
        std::function<void()> begins;
        std::function<void()> ends;
        std::string reason;
    };
    const auto rewritten = [&](const std::string& more, const std::string& reason) {
        return Hindrance{[this, more] { lab().rewrite(std::string(yaml) + more); }, [this] { lab().rewrite(yaml); },
                         reason};
    };
    std::vector<Hindrance> hindrances = {
        rewritten("nonsense: 1\n", "unknown key 'nonsense'"),
        rewritten("api: {listen: \"127.0.0.1:7000\"}\n",
                  "api.listen: cannot serve 127.0.0.1:7000 (tcp): the port is in use"),
    };
    if (GetParam() == "proxy") {
        hindrances.push_back(
            rewritten("  taken: {listen: \"127.0.0.1:7000\", backends: \"10.0.0.2:2044\"}\n", "the port is in use"));
    } else {
        hindrances.push_back({[&] { gateway("sysctl -qw net.ipv4.ip_forward=0"); },
                              [&] { gateway("sysctl -qw net.ipv4.ip_forward=1"); }, "net.ipv4.ip_forward"});
    }
    for (const auto& [begins, ends, reason] : hindrances) {
        const std::string pid = serving_pid();
        begins();
        Outcome refused;
        EXPECT_TRUE(lab().logs_after([&] { refused = hairpin("upgrade"); }, " error upgrade failed, this process"));
        ends();
        EXPECT_EQ(refused.status, 1) << reason;
        EXPECT_NE(refused.output.find("the new hairpin has given up: "), std::string::npos) << refused.output;
        EXPECT_NE(refused.output.find(reason), std::string::npos) << refused.output;
        // That process has logged it, too, before it ended.
        const std::string log = lab()->daemon_log();
        const size_t begun = log.rfind("the program's file is started anew");
        EXPECT_LT(log.find(reason, begun), log.find("upgrade failed, this process", begun)) << log;
        EXPECT_EQ(serving_pid(), pid) << reason << lab()->daemon_log();
        EXPECT_TRUE(connected()) << reason << lab()->daemon_log();
        EXPECT_TRUE(send_all(lives, "x")) << reason;
        EXPECT_EQ(receive(lives, 1), "x") << reason;

        EXPECT_EQ(hairpin("upgrade").status, 0) << reason << lab()->daemon_log();
        EXPECT_NE(serving_pid(), pid) << reason;
        EXPECT_TRUE(connected()) << reason << lab()->daemon_log();
    }
}

// The new one has begun, and written orders by what it knows, and then does not come to serve.
TEST_P(Upgrade, ThatFailsLeavesTheOrdersOfTheOneThatServes) {
    const std::string orders = lab().socket() + ".orders";
    const auto text = [&] {
        std::ostringstream out;
        out << std::ifstream(orders).rdbuf();
        return out.str();
    };
    ASSERT_EQ(hairpin("drain", "10.0.0.2:2044").status, 0) << lab()->daemon_log();
    const std::string before = text();
    ASSERT_NE(before.find("draining"), std::string::npos) << before;
    const std::string file = directory_ / "broken";
    std::ofstream(file) << "#!/bin/sh\nprintf '?' >&3\nhead -c1 <&3\necho '{\"backends\": []}' >" << orders
                        << "\nexit 1\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    replace_program(file);
    EXPECT_EQ(hairpin("upgrade").status, 1) << lab()->daemon_log();
    EXPECT_TRUE(wait_for([&] { return text() == before; })) << text();
}

INSTANTIATE_TEST_SUITE_P(Every, Upgrade, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
