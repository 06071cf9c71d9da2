// What happens to a running gateway is heard by who follows it: over HTTP, with a program that nobody here wrote, and
// with `hairpin events`.
//
//   client 1.0.0.100 ── 1.0.0.1, 2001:db8::1 gateway ── switch ──┬── server1 10.0.0.2   web, checked
//                                                                ├── server2 10.0.0.3   web
//                                                                ╰── server3 fd00::2    six
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::string_view yaml = R"(
defaults: {health: {interval: 200ms, timeout: 200ms, fall: 2, rise: 1}}
services:
  web: {listen: "1.0.0.1:80", backends: ["10.0.0.2:80", "10.0.0.3:80"]}
  six: {listen: "[2001:db8::1]:80", backends: "[fd00::2]:80"}
)";

class EventsOf : public testing::TestWithParam<std::string> {
protected:
    EventsOf() : EventsOf(yaml, {"10.0.0.2:80", "10.0.0.3:80", "[fd00::2]:80"}) {}
    // `backends`: where something listens.
    EventsOf(std::string_view text, std::vector<std::string> backends)
        : lab_(text, GetParam(), TestLab::Backends::none), backends_(std::move(backends)) {}

    void SetUp() override {
        need_programs({"curl"});
        if (IsSkipped()) return;
        ASSERT_TRUE(lab_);
        serve();
    }
    void TearDown() override {
        if (HasFailure() && lab_) ADD_FAILURE() << lab_->daemon_log();
    }

    void serve() {
        servers_.clear();
        for (const std::string& backend : backends_) {
            servers_.push_back(listen_on(host_with(lab_, at(backend)), at(backend)));
        }
    }

    Outcome hairpin(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), arguments);
    }
    std::vector<std::string> curl(const std::string& query, std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {"curl", "-sSN", "--unix-socket", lab_.socket()});
        options.push_back("http://hairpin/v1/events" + query);
        return options;
    }
    std::unique_ptr<lab::Process> start(const std::vector<std::string>& argv) const {
        auto process = lab::Process::start(lab_->host("gateway"), argv);
        EXPECT_TRUE(process) << process.error().message;
        return *std::move(process);
    }
    // What curl hears, and goes on hearing: from here on, where `query` asks for what is to come.
    std::unique_ptr<lab::Process> follow(const std::string& query = "") const {
        auto reader = start(curl(query, {"-i"}));
        EXPECT_TRUE(hears(*reader, "\r\n\r\nid: ")) << reader->output();
        return reader;
    }

    // `hairpin events --json`
    std::vector<json> list(std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {"events", "--json"});
        std::istringstream lines(hairpin(std::move(options)).output);
        std::vector<json> events;
        for (std::string line; std::getline(lines, line);) events.push_back(json::parse(line));
        return events;
    }
    // The last one of this kind that says so; null: there is none.
    json last(std::string_view kind, std::string_view message = "") const {
        json found;
        for (const json& event : list()) {
            const bool says_so = event.at("message").get<std::string>().find(message) != std::string::npos;
            if (event.at("kind") == kind && says_so) found = event;
        }
        return found;
    }
    static bool hears(const lab::Process& reader, const std::string& text) {
        return reader.wait_for_output(text, patience);
    }

    const TestLab lab_;
    const std::vector<std::string> backends_;
    std::vector<Fd> servers_;
};

// The data of the events of a text/event-stream.
std::vector<json> events_in(const std::string& stream) {
    std::vector<json> events;
    std::istringstream lines(stream);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("data: ") && json::accept(line.substr(6))) events.push_back(json::parse(line.substr(6)));
    }
    return events;
}

TEST_P(EventsOf, SayThatABackendDiesAndThatItIsBack) {
    ASSERT_TRUE(wait_for([&] { return hairpin({"status"}).output.find("nothing is wrong") != std::string::npos; }));
    EXPECT_TRUE(hears(*follow(), "event: ready")) << "what is kept comes first";
    const auto reader = follow("?after=last");
    servers_.clear();
    for (const std::string& backend : backends_) {
        EXPECT_TRUE(hears(*reader, "backend " + backend + " is down")) << reader->output();
    }
    EXPECT_TRUE(hears(*reader, "event: panic_begun")) << reader->output();
    serve();
    for (const std::string& backend : backends_) {
        EXPECT_TRUE(hears(*reader, "backend " + backend + " is up")) << reader->output();
    }
    EXPECT_TRUE(hears(*reader, "event: panic_ended")) << reader->output();

    const json down = last("backend_down", "[fd00::2]:80");
    EXPECT_EQ(down.at("service"), "six") << down.dump();
    EXPECT_EQ(down.at("backend"), "[fd00::2]:80") << down.dump();
    EXPECT_EQ(down.at("level"), "warning") << down.dump();
    EXPECT_EQ(down.at("by"), "check") << down.dump();
    EXPECT_FALSE(down.at("reason").get<std::string>().empty()) << down.dump();
    EXPECT_NE(reader->output().find(fmt::format("id: {}\nevent: backend_down\ndata: {{\"number\":{},",
                                                down.at("number").get<uint64_t>(), down.at("number").get<uint64_t>())),
              std::string::npos)
        << reader->output();
    EXPECT_TRUE(lab_.logs(down.at("message").get<std::string>())) << "the log says so, too";
}

TEST_P(EventsOf, SayWhatBecameOfReloadsAndOrders) {
    const auto reader = follow("?after=last");
    EXPECT_FALSE(lab_.reload("nonsense: 1\nservices: {web: {listen: absurd, backends: \"10.0.0.2:80\"}}"));
    EXPECT_TRUE(hears(*reader, "event: reload_refused")) << reader->output();
    EXPECT_TRUE(lab_.reload(yaml));
    EXPECT_TRUE(hears(*reader, "event: reloaded")) << reader->output();
    for (const std::string order : {"drain", "undrain", "disable", "enable"}) {
        ASSERT_EQ(hairpin({order, "10.0.0.2:80", "--service", "web"}).status, 0);
        EXPECT_TRUE(hears(*reader, "event: backend_" + order)) << reader->output();
    }
    EXPECT_EQ(reader->output().find("event: ready"), std::string::npos) << "that was before";

    const json refused = last("reload_refused");
    EXPECT_EQ(refused.at("level"), "error");
    ASSERT_EQ(refused.at("reasons").size(), 2u) << refused.dump();
    EXPECT_NE(refused.at("reasons")[1].get<std::string>().find("absurd"), std::string::npos) << refused.dump();
    EXPECT_EQ(refused.at("message"), "reload refused: " + refused.at("reasons")[0].get<std::string>() +
                                         " (and 1 more); still serving 2 services on 2 endpoints");
    const json drained = last("backend_drained");
    EXPECT_EQ(drained.at("service"), "web");
    EXPECT_EQ(drained.at("backend"), "10.0.0.2:80");
    EXPECT_EQ(drained.at("by").get<std::string>().find("uid "), 0u) << drained.dump();

    const std::string before = std::to_string(drained.at("number").get<uint64_t>() - 1);
    EXPECT_EQ(list({"--after", before}).front(), drained) << "to go on where one stopped";
    const Outcome shown = hairpin({"events", "--after", before});
    EXPECT_NE(shown.output.find("  info     backend_drained    service web: backend 10.0.0.2:80 is draining"),
              std::string::npos)
        << shown.output;
}

TEST_P(EventsOf, AreFollowedUntilCtrlC) {
    const auto reader =
        start({hairpin_binary(), "events", "-f", "--json", "--after", "last", "--socket", lab_.socket()});
    ASSERT_TRUE(wait_for([&] {
        EXPECT_EQ(hairpin({"drain", "10.0.0.2:80"}).status, 0);  // until it is there to hear of it
        return reader->output().find(R"("kind":"backend_drained")") != std::string::npos;
    })) << reader->output();
    ASSERT_EQ(hairpin({"undrain", "10.0.0.2:80"}).status, 0);
    EXPECT_TRUE(hears(*reader, R"("kind":"backend_undrained")")) << reader->output();
    reader->signal(SIGINT);
    const auto status = reader->wait(patience);
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFEXITED(*status));
    EXPECT_EQ(WEXITSTATUS(*status), 0) << reader->output();
}

// A file can always be read and written: nobody is to wait for its reader to go.
TEST_P(EventsOf, AreFollowedAtRestIntoAFile) {
    const TemporaryFile file("");
    const auto reader = start(
        {"sh", "-c", fmt::format("exec {} events -f --socket {} > {}", hairpin_binary(), lab_.socket(), file.path())});
    const auto written = [&] {
        std::ifstream stream(file.path());
        return std::string(std::istreambuf_iterator<char>(stream), {});
    };
    const auto holds = [&](std::string_view kind, int times) {
        const std::string word = fmt::format("  {}  ", kind);
        return wait_for([&] {
            int found = 0;
            const std::string text = written();
            for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
            return found == times;
        });
    };
    ASSERT_TRUE(wait_for([&] { return written().find("  ready  ") != std::string::npos; })) << reader->output();
    const auto used = processor_time_of(reader->pid());
    const auto began = steady_clock::now();
    for (int time = 1; time <= 5; ++time) {
        ASSERT_EQ(hairpin({"drain", "10.0.0.2:80"}).status, 0);
        ASSERT_TRUE(holds("backend_drained", time)) << written();
        ASSERT_EQ(hairpin({"undrain", "10.0.0.2:80"}).status, 0);
        ASSERT_TRUE(holds("backend_undrained", time)) << written();
    }
    EXPECT_LT(processor_time_of(reader->pid()) - used, (steady_clock::now() - began) / 4);
}

// No event comes: it is the end of its reader that it notices.
TEST_P(EventsOf, AreFollowedUntilNobodyReadsThem) {
    const std::string follow = hairpin_binary() + " events -f --socket " + lab_.socket();
    const Outcome outcome =
        outcome_of(lab_->host("gateway"), {"bash", "-c", follow + " | head -1; exit ${PIPESTATUS[0]}"});
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(std::ranges::count(outcome.output, '\n'), 1) << outcome.output;
}

TEST_P(EventsOf, GoOnInTheDaemonAfterThisOne) {
    const auto reader = start({hairpin_binary(), "events", "--follow", "--json", "--socket", lab_.socket()});
    ASSERT_TRUE(hears(*reader, R"("kind":"ready")")) << reader->output();
    ASSERT_EQ(hairpin({"upgrade"}).status, 0) << lab_->daemon_log();
    EXPECT_TRUE(hears(*reader, R"("kind":"upgraded")")) << reader->output();
    EXPECT_TRUE(hears(*reader, R"("kind":"missed")")) << "that there may be some: " << reader->output();
    ASSERT_EQ(hairpin({"drain", "10.0.0.2:80"}).status, 0) << lab_->daemon_log();
    ASSERT_TRUE(hears(*reader, R"("kind":"backend_drained")")) << reader->output();

    std::istringstream lines(reader->output());
    uint64_t before = 0;
    std::vector<std::string> kinds;
    for (std::string line; std::getline(lines, line);) {
        const json event = json::parse(line, nullptr, false);
        if (!event.is_object()) continue;  // that it waits for the next one
        EXPECT_GT(event.at("number").get<uint64_t>(), before) << reader->output();
        before = event.at("number").get<uint64_t>();
        kinds.push_back(event.at("kind"));
    }
    EXPECT_EQ(std::ranges::count(kinds, "ready"), 2) << reader->output();
}

TEST_P(EventsOf, LeaveTheApiToOthers) {
    std::vector<std::unique_ptr<lab::Process>> readers;
    for (int i = 0; i < 8; ++i) {
        readers.push_back(follow());
        ASSERT_TRUE(hears(*readers.back(), "event: ready")) << readers.back()->output();
    }
    const Outcome refused = outcome_of(lab_->host("gateway"), curl("", {"-w", " %{http_code}"}));
    EXPECT_EQ(refused.output,
              R"({"error":"8 readers follow already, and more there may not be: end one, or ask again later"} 503)");
    const Outcome events = hairpin({"events", "-f"});
    EXPECT_EQ(events.status, 1);
    EXPECT_EQ(events.output.find("hairpin events: 8 readers follow already"), 0u) << events.output;
    EXPECT_EQ(hairpin({"backends"}).status, 0);
    EXPECT_FALSE(list().empty());
    readers.pop_back();
    const auto another = follow();
    EXPECT_TRUE(hears(*another, "event: ready")) << "who has gone takes no room: " << another->output();
}

TEST_P(EventsOf, HoldUpNoStop) {
    const auto reader = follow();
    const auto stuck = follow();
    ASSERT_TRUE(hears(*reader, "event: ready"));
    ASSERT_TRUE(hears(*stuck, "event: ready"));
    stuck->signal(SIGSTOP);
    const auto began = steady_clock::now();
    lab_->daemon().signal(SIGTERM);
    EXPECT_TRUE(lab_->daemon().wait_for_output("stopped: 0 finished, 0 cut", patience));
    EXPECT_TRUE(hears(*reader, "event: stopping")) << reader->output();
    EXPECT_TRUE(hears(*reader, "event: stopped")) << "the last words: " << reader->output();
    const auto ended = reader->wait(patience);
    ASSERT_TRUE(ended);
    EXPECT_EQ(WEXITSTATUS(*ended), 0) << "the stream ends in order: " << reader->output();
    EXPECT_LT(steady_clock::now() - began, 30s) << "as long as the library would wait";
}

INSTANTIATE_TEST_SUITE_P(Every, EventsOf, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

// --- A gateway to which nothing happens

class EventsOfNothing : public EventsOf {
protected:
    EventsOfNothing() : EventsOf("services: {web: {listen: \"1.0.0.1:80\", backends: \"10.0.0.2:80\"}}\n", {}) {}
};

// What comes between the death of one daemon, before its first event, and the first question to the next one.
TEST_P(EventsOfNothing, AreMissedByAReaderWhoseGatewayIsKilledAndWhoHearsSo) {
    const pid_t gateway = lab_->daemon().pid();
    const size_t before = descriptors_of(gateway);
    const auto reader =
        start({hairpin_binary(), "events", "-f", "--json", "--after", "last", "--socket", lab_.socket()});
    ASSERT_TRUE(wait_for([&] { return descriptors_of(gateway) > before; })) << "the others would take its place";
    std::vector<std::unique_ptr<lab::Process>> others;
    for (int i = 0; i < 7; ++i) others.push_back(follow("?after=last"));
    ASSERT_TRUE(wait_for([&] {
        const Outcome one_more =
            outcome_of(lab_->host("gateway"), curl("?after=last", {"-m", "1", "-w", "%{http_code}"}));
        return one_more.output.ends_with("503");
    })) << "the reader does not follow: "
        << reader->output();
    ASSERT_EQ(reader->output(), "");

    lab_.kill_daemon();
    EXPECT_TRUE(hears(*reader, "waiting for the next one")) << reader->output();
    lab_.start_daemon();
    EXPECT_TRUE(hears(*reader, R"("kind":"missed")")) << reader->output();
    EXPECT_TRUE(hears(*reader, R"("kind":"ready")")) << reader->output();
}

INSTANTIATE_TEST_SUITE_P(Every, EventsOfNothing, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

// --- A reader that is too slow

// One order is so many events.
constexpr int services_of_it = 8;
constexpr int backends_of_each = 32;

std::string many_backends() {
    std::string text = "services:\n";
    for (int service = 0; service < services_of_it; ++service) {
        text += fmt::format("  s{}: {{listen: \"1.0.0.1:{}\", backends: [\"10.0.0.3:90\"", service, 100 + service);
        for (int backend = 0; backend < backends_of_each; ++backend)
            text += fmt::format(", \"10.0.0.2:{}\"", 1000 + backend);
        text += "]}\n";
    }
    return text;
}

class EventsOfMany : public EventsOf {
protected:
    EventsOfMany() : EventsOf(many_backends(), {}) {}
    void TearDown() override {}  // the log would be long
};

TEST_P(EventsOfMany, AreMissedByASlowReaderWhoHearsSo) {
    std::unique_ptr<lab::Process> reader;
    std::vector<json> kept;
    // A machine that takes too long is asked again: the gateway lets a reader go who takes nothing for 30 s.
    for (bool in_time = false; !in_time;) {
        reader = follow();
        ASSERT_TRUE(hears(*reader, "event: ")) << reader->output();
        reader->signal(SIGSTOP);
        const auto stopped = steady_clock::now();
        // Each tells of 256 backends: more than are kept, and than wait in the reader's socket.
        const std::string orders = "http://hairpin/v1/backends/drain#[1-23]";
        output_of(lab_->host("gateway"), {"curl", "-sSf", "-o", "/dev/null", "--unix-socket", lab_.socket(), "-d",
                                          R"({"backend": "10.0.0.2"})", orders});
        kept = list();
        ASSERT_EQ(kept.size(), 4096u);
        reader->signal(SIGCONT);
        in_time = steady_clock::now() - stopped < 30s;
    }
    const std::string newest = fmt::format("id: {}\n", kept.back().at("number").get<uint64_t>());
    ASSERT_TRUE(hears(*reader, newest)) << lab_->daemon_log();

    const auto heard = events_in(reader->output());
    const auto missed = std::ranges::find(heard, "missed", [](const json& event) { return event.at("kind"); });
    ASSERT_NE(missed, heard.end());
    EXPECT_EQ(std::ranges::count(heard, "missed", [](const json& event) { return event.at("kind"); }), 1);
    for (auto event = heard.begin() + 1; event < heard.end(); ++event) {
        const auto step = event->at("number").get<uint64_t>() - (event - 1)->at("number").get<uint64_t>();
        EXPECT_TRUE(step == 1 || event == missed) << event->dump();
    }
    const std::string first = std::to_string(heard.front().at("number").get<uint64_t>());
    EXPECT_EQ(list({"--after", first}).front().at("kind"), "missed") << "who comes too late hears so as well";
}

INSTANTIATE_TEST_SUITE_P(Every, EventsOfMany, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

// --- What engines tell of

constexpr std::string_view with_limits =
    "services: {web: {listen: \"1.0.0.1:80\", backends: \"10.0.0.2:80\", limits: {new_per_second_per_client: 1}}}\n";

class EventsOfLimits : public EventsOf {
protected:
    EventsOfLimits() : EventsOf(with_limits, {"10.0.0.2:80"}) {}
};

TEST_P(EventsOfLimits, SayThatOneIsMet) {
    for (const char* client : {"client", "server1"}) {
        SCOPED_TRACE(client);
        if (std::string_view(client) == "server1") {
            lab_.kill_daemon();  // what it has told once it would not tell again for a while
            lab_.start_daemon();
        }
        const auto reader = follow();
        std::vector<Fd> connections;
        EXPECT_TRUE(wait_for([&] {
            connections.push_back(dial(lab_->host(client), at("1.0.0.1:80")));
            return reader->output().find("event: limit_met") != std::string::npos;
        })) << reader->output();
        const json met = last("limit_met");
        ASSERT_TRUE(met.is_object()) << reader->output();
        EXPECT_EQ(met.at("service"), "web") << met.dump();
        EXPECT_EQ(met.at("limit"), "new_per_second_per_client") << met.dump();
    }
}

INSTANTIATE_TEST_SUITE_P(Every, EventsOfLimits, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
