// What the command line accepts, and what it says to the rest; nothing is carried out that needs a gateway.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "support/binary.h"

namespace hairpin {
namespace {

constexpr Command commands[] = {
    {"run", "serve", run_command},           {"check", "find what is wrong", check_command},
    {"explain", "say why", explain_command}, {"lab", "prove", lab_command},
    {"schema", "print", schema_command},     {"version", "print", version_command},
    {"flows", "list", flows_command},        {"who", "say who", who_command},
    {"clear", "remove", clear_command},      {"backends", "list", backends_command},
    {"status", "tell", status_command},      {"services", "list", services_command},
    {"top", "watch", top_command},           {"reload", "read", reload_command},
    {"drain", "spare", drain_command},       {"undrain", "end that", undrain_command},
    {"disable", "end", disable_command},     {"enable", "end that", enable_command},
    {"events", "list", events_command},
};

struct Outcome {
    int status = 0;
    std::string out, err;
};

Outcome call(std::vector<std::string> arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.status = dispatch(commands, arguments);
    std::fflush(stdout);
    outcome.out = testing::internal::GetCapturedStdout();
    outcome.err = testing::internal::GetCapturedStderr();
    return outcome;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

// A file with this text for as long as the test runs.
class File {
public:
    explicit File(const std::string& text) {
        const int fd = mkstemps(path_.data(), 5);
        EXPECT_GE(fd, 0);
        close(fd);
        std::ofstream(path_) << text;
    }
    ~File() { unlink(path_.c_str()); }
    const std::string& path() const { return path_; }

private:
    std::string path_ = testing::TempDir() + "hairpin-XXXXXX.yaml";
};

struct Ended {
    int status = -1;
    std::string output;
};

// The program itself, through a shell; its standard error is part of the output unless the arguments say otherwise.
Ended run_program(const std::string& arguments) {
    const bool redirects = contains(arguments, ">");
    const std::string command = "timeout 60 " + hairpin_binary() + " " + arguments + (redirects ? "" : " 2>&1");
    std::FILE* pipe = popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    Ended ended;
    for (int c; (c = std::fgetc(pipe)) != EOF;) ended.output += static_cast<char>(c);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
    return ended;
}

// --- Usage

struct Wrong {
    std::vector<std::string> arguments;
    std::string said;  // part of what stderr says
};

class WrongUsage : public testing::TestWithParam<Wrong> {};

TEST_P(WrongUsage, ends_with_2_and_says_what_to_do) {
    const Outcome outcome = call(GetParam().arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_TRUE(contains(outcome.err, GetParam().said)) << outcome.err;
    EXPECT_EQ(outcome.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    all, WrongUsage,
    testing::Values(Wrong{{}, "Usage: hairpin COMMAND"}, Wrong{{"chekc"}, "did you mean `hairpin check`?"},
                    Wrong{{"frobnicate"}, "`hairpin help` lists them"},
                    Wrong{{"help", "explian"}, "did you mean `hairpin explain`?"},
                    Wrong{{"completion"}, "hairpin completion: it takes bash or zsh"},
                    Wrong{{"completion", "fish"}, "hairpin completion: it takes bash or zsh"},
                    Wrong{{"completion", "bash", "zsh"}, "it takes bash or zsh"},
                    Wrong{{"man", "run"}, "hairpin man: it takes nothing"},
                    Wrong{{"run", "--engin", "proxy"}, "`hairpin run --help`"},
                    Wrong{{"run", "-c", "a.yaml", "1.0.0.1:80=10.0.0.2:80"}, "--config excludes RULE"},
                    Wrong{{"run", "--engine", "warp"}, "there is no engine 'warp', only proxy"},
                    Wrong{{"run", "--threads", "many"}, "--threads"}, Wrong{{"run", "--threads", "-1"}, "--threads"},
                    Wrong{{"check", "a.yaml", "b.yaml"}, "b.yaml"}, Wrong{{"lab", "a.yaml", "b.yaml"}, "b.yaml"},
                    Wrong{{"drain"}, "BACKEND is required"},
                    Wrong{{"drain", "10.0.0.2", "--wait=1"}, "--wait: '1' lacks a unit"},
                    Wrong{{"who"}, "SOURCE is required"}, Wrong{{"who", "1.0.0.1"}, "'1.0.0.1' lacks a port"},
                    Wrong{{"who", "1.0.0.1:80", "--at", "srv1"}, "'srv1' is neither an address nor ADDRESS:PORT"},
                    Wrong{{"events", "--after", "-1"}, "'-1' is neither the number of an event nor last"},
                    Wrong{{"events", "--after", "now"}, "'now' is neither the number of an event nor last"},
                    Wrong{{"events", "web"}, "web"}, Wrong{{"flows", "srv1"}, "srv1"}, Wrong{{"clear", "all"}, "all"},
                    Wrong{{"version", "now"}, "now"}, Wrong{{"explain"}, "CLIENT is required"},
                    Wrong{{"explain", "10.0.0.2"}, "ENDPOINT is required"},
                    Wrong{{"explain", "10.0.0", "1.0.0.1:80"}, "'10.0.0' is neither an address nor ADDRESS:PORT"},
                    Wrong{{"explain", "10.0.0.2", "1.0.0.1"}, "ENDPOINT"},
                    Wrong{{"explain", "10.0.0.2", "[fd00::1]:80"}, "address family"},
                    Wrong{{"explain", "10.0.0.2", "1.0.0.1:80", "--protocol", "sctp"}, "'sctp' is not tcp or udp"},
                    Wrong{{"explain", "10.0.0.2", "1.0.0.1:80", "nonsense"}, "argument 1"},
                    Wrong{{"explain", "10.0.0.2", "1.0.0.1:80", "--running", "--engine", "nft"}, "excludes"},
                    Wrong{{"explain", "10.0.0.2", "1.0.0.1:80", "web=1", "--running"}, "excludes"},
                    Wrong{{"check", ""}, "'': there is no such file; name another one"}));

TEST(Usage, every_command_shows_its_help_and_an_example) {
    for (const Command& command : commands) {
        const std::string name(command.name);
        const Outcome outcome = call({name, "--help"});
        EXPECT_EQ(outcome.status, 0) << name;
        EXPECT_TRUE(contains(outcome.out, "Usage: hairpin " + name)) << outcome.out;
        EXPECT_TRUE(contains(outcome.out, "Example:\n  hairpin " + name)) << outcome.out;
        EXPECT_EQ(call({"help", name}).out, outcome.out);
    }
}

TEST(Usage, lists_what_is_built_in_and_shows_its_help) {
    for (const std::string name : {"completion", "man"}) {
        EXPECT_TRUE(contains(call({"help"}).out, "\n  " + name + " ")) << name;
        const Outcome outcome = call({"help", name});
        EXPECT_EQ(outcome.status, 0) << name;
        EXPECT_TRUE(contains(outcome.out, "Usage: hairpin " + name)) << outcome.out;
        EXPECT_EQ(call({name, "--help"}).out, outcome.out);
    }
}

// They came by their place in memory.
TEST(Usage, names_what_an_option_excludes_in_one_order) {
    EXPECT_TRUE(contains(call({"explain", "--help"}).out, "--running Excludes: --config --engine --network RULE\n"));
}

TEST(Usage, lists_every_command) {
    const Outcome outcome = call({"help"});
    EXPECT_EQ(outcome.status, 0);
    for (const Command& command : commands) EXPECT_TRUE(contains(outcome.out, command.name)) << command.name;
    EXPECT_EQ(call({"--help"}).out, outcome.out);
}

TEST(Usage, version_is_a_command_and_an_option) {
    EXPECT_EQ(call({"version"}).out, "hairpin " HAIRPIN_VERSION "\n");
    EXPECT_EQ(call({"--version"}).out, "hairpin " HAIRPIN_VERSION "\n");
}

TEST(Usage, what_is_understood_is_not_yet_carried_out) {
    int status = -1;
    const std::vector<std::string> arguments = {"1.0.0.1:80=10.0.0.2:80", "[fd00::1]:53=[fd00::2]:53/udp", "--threads",
                                                "2"};
    EXPECT_TRUE(understand(commands[0], arguments, status));
    EXPECT_EQ(status, 0);
}

// --- check

TEST(Check, shows_every_service_of_a_sound_file) {
    const File file("services:\n  web: {listen: 1.0.0.1:80, backends: [10.0.0.2:8080, 10.0.0.3:8080]}\n");
    const Outcome outcome = call({"check", file.path()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(contains(outcome.out, "web  tcp   source auto      1.0.0.1:80 -> 10.0.0.2:8080, 10.0.0.3:8080\n"))
        << outcome.out;
}

TEST(Check, shows_every_mistake_with_its_place) {
    const File file(
        "services:\n"
        "  web: {listen: 1.0.0.1:80, backends: [10.0.0.2:99999]}\n"
        "  dns: {listen: 1.0.0.1:53, backends: [10.0.0.3:53], protocoll: udp}\n");
    const Outcome outcome = call({"check", file.path()});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(contains(outcome.err, file.path() + ":2:")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, file.path() + ":3:")) << outcome.err;
}

TEST(Check, says_the_same_to_programs) {
    const File sound("services:\n  web: {listen: 1.0.0.1:80, backends: 10.0.0.2:8080, protocol: both}\n");
    const Outcome good = call({"check", "--json", sound.path()});
    ASSERT_EQ(good.status, 0);
    const auto json = nlohmann::json::parse(good.out);
    EXPECT_EQ(json["sound"], true);
    EXPECT_EQ(json["services"][0]["service"], "web");
    EXPECT_EQ(json["services"][0]["listen"][0], "1.0.0.1:80");
    EXPECT_EQ(json["services"][0]["protocol"], "both");

    const File broken("services:\n  web: {listen: 1.0.0.1:80}\n");
    const Outcome bad = call({"check", "--json", broken.path()});
    EXPECT_EQ(bad.status, 2);
    EXPECT_EQ(nlohmann::json::parse(bad.out)["errors"][0]["line"], 2);
}

TEST(Check, names_a_file_that_is_not_there) {
    const Outcome outcome = call({"check", "/nonexistent/hairpin.yaml"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_TRUE(contains(outcome.err, "/nonexistent/hairpin.yaml: ")) << outcome.err;
}

// The note that `check` has for an external address that is not here, if there is one.
std::string missing_address(const std::string& listen) {
    const File file("services:\n  web: {listen: " + listen + ", backends: 198.18.1.2:80}\n");
    const Outcome outcome = call({"check", "--json", file.path()});
    EXPECT_EQ(outcome.status, 0) << outcome.out;
    const auto json = nlohmann::json::parse(outcome.out);
    for (const auto& note : json["notes"]) {
        if (contains(note["message"], "no link has")) return note["message"];
    }
    return {};
}

TEST(Check, notes_in_one_line_the_addresses_that_this_machine_lacks) {
    EXPECT_EQ(missing_address("[198.18.0.2:81, 127.0.0.1:80, 198.18.0.1:80, 198.18.0.2:80]"),
              "listen[0]: on this machine: `hairpin run` would fail, for no link has the external addresses "
              "198.18.0.1, 198.18.0.2");
    EXPECT_EQ(missing_address("127.0.0.1:80"), "");
    EXPECT_EQ(missing_address("0.0.0.0:80"), "");
}

TEST(Check, notes_that_this_machine_cannot_ask_backends_as_clients_do) {
    const File file(
        "engine: nft\nservices:\n  web: {listen: 198.18.0.1:80, backends: [198.18.1.2:80, 198.18.1.3:80],\n"
        "        health: {via: endpoint}}\n");
    const Outcome outcome = call({"check", file.path()});
    EXPECT_EQ(outcome.status, 0) << outcome.out;
    const std::string note =
        "4:17: note: health: on this machine: health.via: endpoint: none of its IPv4 addresses can stand for clients";
    EXPECT_EQ(outcome.out.find(note), outcome.out.rfind(note)) << outcome.out;
    EXPECT_TRUE(contains(outcome.out, note)) << outcome.out;
}

// --- lab

constexpr const char* sound_file = "services:\n  web: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}\n";

TEST(Lab, refuses_a_host_that_it_has_not) {
    const File file(sound_file);
    const Outcome outcome = call({"lab", "--keep=nohost", file.path()});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_TRUE(contains(outcome.err, "no host 'nohost'")) << outcome.err;
    EXPECT_EQ(outcome.out, "");
}

TEST(Lab, shows_how_a_host_is_kept) {
    const Outcome outcome = call({"lab", "--help"});
    EXPECT_TRUE(contains(outcome.out, "--keep [=HOST]")) << outcome.out;
}

TEST(Lab, says_to_programs_why_it_refuses_a_file) {
    const File file("services:\n  web: {listen: 1.0.0.1:80}\n");
    const Outcome outcome = call({"lab", "--json", file.path()});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.err, "");
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json["holds"], false);
    EXPECT_EQ(json["errors"][0]["line"], 2);
}

// --- What the proxy cannot do

class BeyondTheProxy : public testing::TestWithParam<const char*> {
protected:
    const File file_{
        std::string("services:\n  web:\n    listen: 127.0.0.1:80\n    backends: 198.18.1.2:81\n    source: ") +
        GetParam() + "\n"};

    void expect_refused(const std::string& said) const {
        EXPECT_TRUE(contains(said, file_.path() + ":2:3: web: ")) << said;
        EXPECT_TRUE(contains(said, "use source: auto, and proxy_protocol: {send: v2}")) << said;
    }
};

TEST_P(BeyondTheProxy, is_refused_by_check_and_lab) {
    for (const char* command : {"check", "lab"}) {
        const Outcome outcome = call({command, file_.path()});
        EXPECT_EQ(outcome.status, 2) << command;
        expect_refused(outcome.err);
    }
}

TEST_P(BeyondTheProxy, is_refused_by_run) {
    const Ended ended = run_program("run -c " + file_.path());
    EXPECT_EQ(ended.status, 2);
    expect_refused(ended.output);
}

TEST_P(BeyondTheProxy, is_explained_as_refused) {
    const Outcome outcome = call({"explain", "127.0.0.1", "127.0.0.1:80", "-c", file_.path()});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(contains(outcome.out, "no way  this engine refuses to start with this service: source: "))
        << outcome.out;
    EXPECT_FALSE(contains(outcome.out, "gateway -> backend")) << outcome.out;
}

INSTANTIATE_TEST_SUITE_P(all, BeyondTheProxy, testing::Values("keep", "{map: 198.18.9.0/24}"));

// --- Output

TEST(Output, that_cannot_be_written_is_a_failure) {
    for (const char* command : {"version", "help", "schema", "schema --markdown"}) {
        const Ended ended = run_program(std::string(command) + " 2>&1 >/dev/full");
        EXPECT_EQ(ended.status, 1) << command;
        EXPECT_TRUE(contains(ended.output, "No space left on device")) << ended.output;
    }
}

TEST(Output, to_a_pipe_has_no_colour) {
    const Ended ended = run_program("explain 127.0.0.1 127.0.0.1:80 127.0.0.1:80=127.0.0.1:81");
    EXPECT_EQ(ended.status, 0);
    EXPECT_TRUE(contains(ended.output, "127.0.0.1:81")) << ended.output;
    EXPECT_FALSE(contains(ended.output, "\033")) << ended.output;
}

// --- explain

TEST(Explain, stands_on_the_network_of_the_lab_where_this_machine_is_not_the_gateway) {
    // 198.18.0.0/15 is for benchmarks (RFC 2544): no machine that runs tests is their gateway.
    const Outcome outcome = call({"explain", "198.18.1.2", "198.18.0.1:80", "198.18.0.1:80=198.18.1.3:8080", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_TRUE(contains(json["network"], "this machine is not the gateway")) << json["network"];
    EXPECT_EQ(json["backends"][0]["path"], "peer");
    EXPECT_EQ(json["backends"][0]["engines"][0]["legs"][1]["destination"], "198.18.1.3:8080");
}

TEST(Explain, stands_on_this_machine_where_it_owns_the_endpoint) {
    const Outcome outcome = call({"explain", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:80=127.0.0.1:8080", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json["network"], "this machine is the gateway");
    EXPECT_EQ(json["backends"][0]["path"], "local");
}

TEST(Explain, takes_the_protocol_that_the_endpoint_serves) {
    const Outcome outcome =
        call({"explain", "198.18.1.2", "198.18.0.1:53", "198.18.0.1:53=198.18.1.3:53/udp", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["protocol"], "udp");
}

TEST(Explain, refuses_a_backend_that_the_service_does_not_have) {
    const Outcome outcome = call({"explain", "198.18.1.2", "198.18.0.1:80", "web=1", "--backend", "198.18.1.9"});
    EXPECT_EQ(outcome.status, 2);
    const Outcome other =
        call({"explain", "198.18.1.2", "198.18.0.1:80", "198.18.0.1:80=198.18.1.3:8080", "--backend", "198.18.1.9"});
    EXPECT_EQ(other.status, 2);
    EXPECT_TRUE(contains(other.err, "has no backend 198.18.1.9")) << other.err;
}

}  // namespace
}  // namespace hairpin
