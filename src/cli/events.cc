#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api_client.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/event_view.h"
#include "cli/interruption.h"

namespace hairpin {
namespace {

using nlohmann::json;

const std::string path = "/v1/events";
constexpr std::chrono::milliseconds until_another_try{1000};

struct Options {
    ApiClient api;
    std::string after;  // empty: all that are kept
    bool follow = false;
    bool json = false;
};

std::string line_of(const json& event, bool as_json) {
    return as_json ? event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n" : event_line(event);
}

Result<int> list(const Options& options) {
    ApiClient::Query query = {{"follow", "false"}};
    if (!options.after.empty()) query.emplace_back("after", options.after);
    return options.api.ask(path, query, [&](const json& answer) -> Result<int> {
        for (const json& event : answer.at("events")) fmt::print("{}", line_of(event, options.json));
        return exit_ok;
    });
}

// Goes on until it is interrupted, or nobody reads its output any more; where the gateway ends, with the next one.
class Following {
public:
    explicit Following(const Options& options) : options_(options), after_(options.after) {
        std::signal(SIGPIPE, SIG_IGN);
    }

    Result<int> run() {
        for (;;) {
            EventStream stream;
            const auto ended = ask(stream);
            if (!failure_.message.empty()) return failure_;
            const bool is_asked = interruption_.comes(std::chrono::milliseconds(0));  // first: it takes the signal
            if (is_asked || is_over()) return exit_ok;
            if (!heard_) return ended ? Error{"the gateway sends no events"} : ended.error();
            if (!std::exchange(lost_, true)) {
                fmt::print(stderr, "hairpin events: the gateway at {} has ended: waiting for the next one\n",
                           options_.api.socket);
            }
            if (interruption_.comes(until_another_try)) return exit_ok;
        }
    }

private:
    Result<> ask(EventStream& stream) {
        ApiClient::Query query;
        if (!after_.empty()) query.emplace_back("after", after_);
        return options_.api.follow(
            path, query, [&](std::string_view bytes) { return take(stream, bytes); }, [this] { return is_over(); },
            ends());
    }

    // False: that is enough.
    bool take(EventStream& stream, std::string_view bytes) {
        heard_ = true;
        lost_ = false;
        for (const std::string& data : stream.take(bytes)) {
            if (!show(data)) return false;
        }
        if (!stream.last_id().empty()) after_ = stream.last_id();
        if (stream.is_too_long()) failure_ = options_.api.other_version();
        return failure_.message.empty();
    }

    bool show(const std::string& data) {
        try {
            return write_out(line_of(json::parse(data), options_.json));
        } catch (const json::exception&) {
            failure_ = options_.api.other_version();
            return false;
        }
    }

    bool write_out(std::string_view text) {
        while (!text.empty()) {
            const ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
            if (size < 0 && errno == EINTR) continue;
            if (size < 0) {
                if (errno != EPIPE) failure_ = system_error("the output could not be written");
                return false;
            }
            text.remove_prefix(static_cast<size_t>(size));
        }
        return true;
    }

    // A signal has come, or whoever read the output has gone.
    bool is_over() const {
        std::vector<pollfd> both = ends();
        return poll(both.data(), both.size(), 0) > 0;
    }
    // Of the output that it has gone is all there is to hear: a file could always be read.
    std::vector<pollfd> ends() const { return {{interruption_.descriptor(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}}; }

    const Options& options_;
    const Interruption interruption_;
    std::string after_;   // where the next question goes on; empty: all that are kept
    bool heard_ = false;  // the gateway has sent something
    bool lost_ = false;   // it has ended since
    Error failure_;       // for good; empty: none
};

int run(const Options& options) {
    const auto outcome = options.follow ? Following(options).run() : list(options);
    return outcome ? *outcome : complain("events", outcome.error().message);
}

Result<std::string> place_of(const std::string& text) {
    const bool is_number = !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
    if (text == "last" || is_number) return text;
    return Error{in_quotes(text) + " is neither the number of an event nor last"};
}

}  // namespace

Action events_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    app.add_flag("-f,--follow", options->follow, "go on with those that come, until Ctrl-C");
    add(app, "--after", "NUMBER|last",
        "those after this one; last: those that are still to come; default: all that are kept",
        [options](const std::string& text) { options->after = accept("--after", place_of(text)); });
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs: an object a line, with the event's number");
    app.footer(
        "Example:\n"
        "  hairpin events --follow --after last\n\n"
        "The gateway keeps some thousand events. With --follow, events of the gateway that comes after this one, as "
        "at\n"
        "an upgrade, are shown as well. docs/events.md says what each kind means.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
