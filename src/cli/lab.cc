#include "lab/lab.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/colour.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "daemon/gap_report.h"
#include "engines/registry.h"
#include "lab/stand_ins.h"
#include "model/follow_names.h"
#include "model/in_service.h"

namespace hairpin {
namespace {

struct Options {
    Input input;
    std::string keep;  // host to open a shell on; empty: none
    bool json = false;
};

int fail(const Error& error) {
    fmt::print(stderr, "hairpin lab: {}\n", error.message);
    return exit_failed;
}

int refuse(const Options& options, const Config& config) {
    if (options.json) {
        const nlohmann::ordered_json json = {{"holds", false}, {"errors", to_json(config.errors)}};
        fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        sound(config);
    }
    return exit_refused;
}

// The daemon must serve what was drawn and planned, and a pipe can be read only once: it gets the text from here.
Result<Fd> keep_in_memory(std::string_view text) {
    Fd file(memfd_create("hairpin.yaml", MFD_CLOEXEC));
    if (!file) return system_error("a file in memory");
    while (!text.empty()) {
        const ssize_t written = write(file.get(), text.data(), text.size());
        if (written < 0) return system_error("a file in memory");
        text.remove_prefix(static_cast<size_t>(written));
    }
    return file;
}

// The daemon under test is this very program.
std::vector<std::string> daemon_command(const Fd& file, const Config& config, const Answers& names) {
    const std::string path = fmt::format("/proc/{}/fd/{}", getpid(), file.get());
    // The lab's servers answer as no server of the user's would; what is proven is paths.
    std::vector<std::string> command = {"/proc/self/exe",       "run",      "-c",   path,         "--engine",
                                        config.settings.engine, "--socket", "none", "--no-health"};
    for (const auto& [question, servers] : names) {
        const Server& server = servers.front();
        const std::string place = question.srv ? Endpoint{server.ip, server.port}.str() : server.ip.str();
        command.insert(command.end(), {"--resolve", question.name + "=" + place});
    }
    return command;
}

// How far the proof is, on one line that erases itself; nothing where nobody watches.
class Progress {
public:
    explicit Progress(size_t total) : total_(total), shown_(isatty(STDERR_FILENO) == 1) {}
    ~Progress() {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }
    void step() {
        ++done_;
        if (shown_) fmt::print(stderr, "\rproving {} of {}", done_, total_);
    }

private:
    size_t total_;
    size_t done_ = 0;
    bool shown_;
};

std::vector<lab::Row> prove(lab::Lab& lab) {
    Progress progress(lab.plan().rows());
    return lab.prove([&](const lab::Row&) { progress.step(); });
}

int run(const Options& options) {
    std::string text;
    Config config = options.input.load(&text);
    if (!config.errors.empty()) return refuse(options, config);
    // An engine that is only asked starts no thread, so the process can still change its user namespace. The lab's
    // gateway allows every engine.
    const Answers names = lab::stand_ins(config.services);
    const Ruleset ruleset(with_all_up(write_out(config.services, names)));
    auto selected = select_engine(config.settings.engine, {}, ruleset, [](Engine&) { return Result<>(); });
    if (!selected) return fail(selected.error());
    const auto engine = std::move(selected->engine);
    config.settings.engine = engine->name();
    std::vector<std::string> gaps;
    for (const Gap& gap : engine->gaps(ruleset)) {
        if (gap.fatal)
            config.errors.push_back(locate(config, engine->name(), gap));
        else
            gaps.push_back(gap.message);
    }
    if (!config.errors.empty()) return refuse(options, config);
    lab::Plan plan = lab::make_plan(ruleset, engine->abilities());
    std::ranges::move(lab::notes_on(names), std::back_inserter(plan.notes));
    if (!options.keep.empty()) {
        if (const auto known = lab::find_host(plan, options.keep); !known) {
            fail(known.error());
            return exit_refused;
        }
    }
    const Result<Fd> file = keep_in_memory(text);
    if (!file) return fail(file.error());

    const bool colour = wants_colour(STDOUT_FILENO);
    if (!options.json) {
        fmt::print("{}\n", lab::picture(plan, colour));
        std::fflush(stdout);
    }
    if (const auto gained = lab::gain_privileges(); !gained) return fail(gained.error());
    auto started = lab::Lab::start(plan, {.command = daemon_command(*file, config, names)});
    if (!started) return fail(started.error());
    lab::Lab& lab = **started;
    const std::vector<lab::Row> rows = prove(lab);

    if (options.json) {
        fmt::print("{}\n", lab::json(plan, rows, gaps));
    } else {
        fmt::print("{}", lab::table(rows, colour));
        for (const std::string& note : plan.notes) fmt::print("note: {}\n", note);
        for (const std::string& gap : gaps) fmt::print("note: engine {}: {}\n", engine->name(), gap);
        for (const std::string& why : selected->passed_over) fmt::print("note: engine auto: not {}\n", why);
    }
    if (!options.keep.empty()) {
        std::fflush(stdout);
        if (const auto shell = lab.shell(options.keep); !shell) return fail(shell.error());
    }
    lab.stop_daemon();
    return lab::holds(rows) ? exit_ok : exit_failed;
}

}  // namespace

Action lab_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->input.add_file(app);
    options->input.add_engine(app);
    app.add_flag("--json", options->json, "for programs");
    app.add_flag("--keep", options->keep, "then open a shell on this host, the external client by default")
        ->option_text("[=HOST]");
    app.footer(
        "Example:\n"
        "  hairpin lab hairpin.yaml --keep=gateway\n\n"
        "Nothing leaves the machine and nothing stays behind. Exit status 0: every path to every service holds.");
    return [options] {
        if (options->keep == "true") options->keep = "client";  // what CLI11 makes of --keep alone
        return run(*options);
    };
}

}  // namespace hairpin
