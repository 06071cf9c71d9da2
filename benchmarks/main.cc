// ./bench: runs the contestants through the measures and writes the report.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <random>

#include "functions.h"
#include "report.h"

namespace hairpin::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view micro = "micro";

struct Arguments {
    bool quick = false;
    bool report = false;
    std::vector<std::string> names;

    int rounds() const { return quick ? 3 : 7; }
    int rounds_of(const Measure& measure) const {
        if (measure.rounds == 0) return rounds();
        return quick ? std::min(measure.rounds, rounds()) : measure.rounds;
    }
    bool full() const { return !quick && names.empty(); }
};

bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

// One line that changes, on a terminal; otherwise a line for each measure.
class Progress {
public:
    explicit Progress(size_t steps) : steps_(steps) {}
    ~Progress() {
        if (terminal_) std::fputs("\r\033[K", stderr);
    }

    void next(const std::string& measure) {
        measure_ = fmt::format("[{}/{}] {}", ++step_, steps_, measure);
        if (!terminal_) fmt::print(stderr, "{}\n", measure_);
    }
    void show(const std::string& what) const {
        if (terminal_) fmt::print(stderr, "\r\033[K{} {}", measure_, what);
    }

private:
    const bool terminal_ = isatty(STDERR_FILENO) == 1;
    const size_t steps_;
    size_t step_ = 0;
    std::string measure_;
};

// Contestants that were not named are left out, but for the one that ratios are taken to. In haste, those that are
// there twice are there once.
std::vector<Contestant> chosen_contestants(const Arguments& arguments) {
    const auto named = [&](Contestant contestant) { return has(arguments.names, name(contestant)); };
    std::vector<Contestant> chosen(all_contestants.begin(), all_contestants.end());
    if (std::ranges::none_of(all_contestants, named)) {
        if (arguments.quick) std::erase_if(chosen, has_large_buffers);
        return chosen;
    }
    std::erase_if(chosen,
                  [&](Contestant contestant) { return contestant != Contestant::direct && !named(contestant); });
    return chosen;
}

std::vector<Measure> chosen_measures(const Arguments& arguments) {
    std::vector<Measure> chosen = all_measures();
    const auto named = [&](const Measure& measure) { return has(arguments.names, measure.name); };
    const bool any_named = std::ranges::any_of(chosen, named) || has(arguments.names, micro);
    if (any_named) {
        std::erase_if(chosen, [&](const Measure& measure) { return !named(measure); });
    } else if (arguments.quick) {
        for (Measure& measure : chosen) measure.paths = measure.quick;
        std::erase_if(chosen, [](const Measure& measure) { return measure.paths.empty(); });
    }
    return chosen;
}

std::vector<std::string> all_names() {
    std::vector<std::string> names;
    names.reserve(all_contestants.size());
    for (const Contestant contestant : all_contestants) names.emplace_back(name(contestant));
    for (const Measure& measure : all_measures()) names.push_back(measure.name);
    names.emplace_back(micro);
    return names;
}

// Each round gives every contestant its turn, in an order of its own: what one leaves behind in the kernel, such as
// closed ports, must not always meet the same next one.
void run(const Measure& measure, Path path, int rounds, const std::vector<std::unique_ptr<Arena>>& arenas,
         Results& results, const Progress& progress) {
    std::vector<const Arena*> partners;
    for (const auto& arena : arenas) {
        const Contestant contestant = arena->contestant();
        if (measure.takes_part(contestant) && takes_part_on(path, contestant)) partners.push_back(arena.get());
    }
    std::mt19937 order(1);  // the same for everybody who repeats this
    for (int round = 0; round < rounds; ++round) {
        std::ranges::shuffle(partners, order);
        for (const Arena* arena : partners) {
            const Contestant contestant = arena->contestant();
            if (results.gave_up(measure.name, path, contestant)) continue;
            progress.show(fmt::format("round {} of {}, {}", round + 1, rounds, name(contestant)));
            const auto sample = measure.run(*arena, path);
            if (sample) {
                results.add(measure.name, path, contestant, *sample);
            } else {
                results.give_up(measure.name, path, contestant, sample.error().message);
            }
        }
    }
}

Result<> write(const std::string& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    if (!out) return system_error(file);
    return {};
}

// A part of it must not pass for the whole.
Result<> publish(const Report& report, bool full) {
    const std::string folder = full ? "docs/" : "build/";
    const std::string markdown = report.markdown();
    fmt::print("{}", markdown);
    for (const auto& [file, text] : {std::pair{"performance.md", markdown},
                                     {"performance.json", report.json()},
                                     {"performance.svg", report.svg()}}) {
        if (auto written = write(folder + file, text); !written) return written;
    }
    fmt::print(stderr, "written: {}performance.md, .json, .svg\n", folder);
    return {};
}

// What was measured last, judged by today's targets.
Result<> publish_anew() {
    std::ifstream file("docs/performance.json");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    auto report = Report::parse(text);
    if (!report) return report.error().within("docs/performance.json");
    report->measures = all_measures();
    return publish(*report, true);
}

Result<> bench(const Arguments& arguments) {
    if (auto gained = lab::gain_privileges(); !gained) return gained;
    const auto began = Clock::now();
    Report report;
    report.environment = Environment::now();
    report.environment.rounds = arguments.rounds();
    report.measures = chosen_measures(arguments);
    std::vector<std::unique_ptr<Arena>> arenas;
    for (const Contestant contestant : chosen_contestants(arguments)) {
        auto arena = Arena::open(contestant);
        if (!arena) return arena.error();
        arenas.push_back(*std::move(arena));
    }
    size_t steps = 0;
    for (const Measure& measure : report.measures) steps += measure.paths.size();
    {
        Progress progress(steps);
        for (const Measure& measure : report.measures) {
            for (const Path path : measure.paths) {
                progress.next(fmt::format("{}, {}", measure.name, name(path)));
                run(measure, path, arguments.rounds_of(measure), arenas, report.results, progress);
            }
        }
        if (arguments.full() || has(arguments.names, micro)) {
            progress.show("micro");
            auto functions = measure_functions(arguments.rounds());
            functions ? void(report.micro = *std::move(functions)) : void(report.micro_gap = functions.error().message);
        }
    }
    report.environment.minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - began).count();
    return publish(report, arguments.full());
}

int main(int argc, char** argv) {
    Arguments arguments;
    const std::vector<std::string> known = all_names();
    for (const std::string argument : std::span(argv + 1, static_cast<size_t>(argc - 1))) {
        if (argument == "--quick") {
            arguments.quick = true;
        } else if (argument == "--report") {
            arguments.report = true;
        } else if (has(known, argument)) {
            arguments.names.push_back(argument);
        } else {
            fmt::print(stderr, "usage: ./bench [--quick | --report] [NAME...]; names:\n  {}\n",
                       fmt::join(known, "\n  "));
            return 2;
        }
    }
    std::signal(SIGPIPE, SIG_IGN);
    const auto done = arguments.report ? publish_anew() : bench(arguments);
    if (!done) fmt::print(stderr, "bench: {}\n", done.error().message);
    return done ? 0 : 1;
}

}  // namespace
}  // namespace hairpin::bench

int main(int argc, char** argv) { return hairpin::bench::main(argc, argv); }
