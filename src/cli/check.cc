#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/input.h"
#include "daemon/absent_addresses.h"
#include "daemon/gap_report.h"
#include "daemon/link_report.h"
#include "engines/registry.h"
#include "model/as_written.h"
#include "model/check_origin.h"
#include "model/listen_links.h"
#include "net/netlink_topology.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

struct Options {
    Input input;
    bool json = false;
};

struct Findings {
    Config config;  // its errors hold the fatal gaps of the engine too
    std::vector<Diagnostic> notes;
};

template <class Range, class Describe>
std::vector<std::string> describe_all(const Range& range, Describe describe) {
    std::vector<std::string> texts;
    texts.reserve(range.size());
    for (const auto& item : range) texts.push_back(describe(item));
    return texts;
}

// One note for all external addresses that nobody here can listen on: the kernel needs not have them to translate.
void note_missing_addresses(Findings& findings, const Topology& topology, Abilities abilities) {
    std::vector<Ip> missing;
    std::optional<Place> first;
    const auto& services = findings.config.services;
    for (size_t s = 0; s < services.size(); ++s) {
        for (size_t i = 0; i < services[s].listen.size(); ++i) {
            if (!is_absent(services[s], services[s].listen[i], topology, abilities)) continue;
            missing.push_back(services[s].listen[i].ip);
            if (!first) first = {s, Place::Key::listen, i};
        }
    }
    if (!first) return;
    const std::string text = absent_text(std::move(missing));
    findings.notes.push_back(findings.config.at(
        *first,
        abilities.foreign_source
            ? fmt::format("on this machine: {}: clients are served there only as far as it is routed here", text)
            : fmt::format("on this machine: `hairpin run` would fail, for {}", text)));
}

// A configuration is often checked on another machine than its gateway: what is wrong only here is a note.
void note_what_is_wrong_here(Findings& findings, const Topology& topology) {
    const auto services = follow_links(findings.config.services, topology);
    for (const Problem& problem : validate(services, &topology)) {
        const Place place = as_written(services[problem.place.service], problem.place);
        findings.notes.push_back(findings.config.at(place, "on this machine: " + problem.message));
    }
    for (const Event& event : link_events(services, nullptr, topology)) {
        findings.notes.push_back({findings.config.origin, 0, 0, "on this machine: " + event.message});
    }
}

// Services whose checks cannot come from here as their clients do.
void note_check_origins(Findings& findings, const Desired& desired, Abilities abilities) {
    const auto& services = desired.ruleset.services();
    for (size_t s = 0; s < services.size(); ++s) {
        if (!services[s].health || services[s].health->via != CheckVia::endpoint) continue;
        for (const Backend& backend : services[s].backends) {
            const auto origin = check_origin(services[s], desired.topology, backend, abilities);
            if (origin) continue;
            findings.notes.push_back(
                findings.config.at({s, Place::Key::health}, "on this machine: " + origin.error().message));
            break;  // the others are much the same
        }
    }
}

// What an engine that is named would meet when it begins; `auto` passes such a one over.
void note_hindrances(Findings& findings, Engine& engine, const Desired& desired) {
    const auto note = [&](std::string message) {
        findings.notes.push_back({findings.config.origin, 0, 0, "on this machine: " + std::move(message)});
    };
    const auto hindrances = engine.check(desired);
    if (!hindrances) return note("`hairpin run` would fail, as this user: " + hindrances.error().message);
    for (const std::string& hindrance : *hindrances) note(hindrance);
}

// With `auto`, of the engine that this machine would be served with.
void note_gaps(Findings& findings, const Result<Topology>& here) {
    const Topology& topology = here ? *here : Topology();
    Config& config = findings.config;
    const auto about_all = [&](std::string message) { return Diagnostic{config.origin, 0, 0, std::move(message)}; };
    const Desired desired{Ruleset(follow_links(config.services, topology)), topology};
    const EngineOptions options{.set_sysctls = config.settings.set_sysctls};
    const auto selected = select_engine(config.settings.engine, options, desired.ruleset,
                                        [&](Engine& engine) { return check_unhindered(engine, desired); });
    if (!selected) return config.errors.push_back(about_all(selected.error().message));
    Engine& engine = *selected->engine;
    if (here) note_missing_addresses(findings, topology, engine.abilities());
    if (here) note_check_origins(findings, desired, engine.abilities());
    for (const Gap& gap : engine.gaps(desired.ruleset)) {
        (gap.fatal ? config.errors : findings.notes).push_back(locate(config, engine.name(), gap));
    }
    if (config.settings.engine != automatic_engine) {
        if (here) note_hindrances(findings, engine, desired);
        return;
    }
    findings.notes.push_back(about_all(fmt::format("on this machine: engine auto takes {}", engine.name())));
    for (const std::string& why : selected->passed_over) {
        findings.notes.push_back(about_all("on this machine: engine auto: not " + why));
    }
}

Findings examine(Config config) {
    Findings findings{std::move(config), {}};
    if (!findings.config.errors.empty()) return findings;
    const Result<Topology> topology = read_topology();
    if (topology) note_what_is_wrong_here(findings, *topology);
    note_gaps(findings, topology);
    return findings;
}

std::vector<std::string> listens(const Service& service) {
    auto texts = describe_all(service.listen, [](const EndpointRange& listen) { return listen.str(); });
    for (const LinkListen& on : service.listen_links) texts.push_back(on.str());
    return texts;
}

std::vector<std::string> backends(const Service& service) {
    const auto describe = [](const std::string& place, uint32_t weight, bool backup) {
        return place + (weight == 1 ? "" : fmt::format("@{}", weight)) + (backup ? " (backup)" : "");
    };
    auto texts = describe_all(service.backends, [&](const Backend& backend) {
        return describe(backend.endpoint.str(), backend.weight, backend.backup);
    });
    for (const BackendName& name : service.backend_names) {
        texts.push_back(describe(name.str(), name.weight, name.backup));
    }
    return texts;
}

void print_text(const Findings& findings) {
    sound(findings.config);
    size_t width = 0;
    for (const Service& service : findings.config.services) width = std::max(width, service.name.size());
    if (findings.config.errors.empty()) {
        for (const Service& service : findings.config.services) {
            fmt::print("{:<{}}  {:<4}  source {:<8}  {} -> {}\n", service.name, width, name(service.protocols),
                       name(service.source), fmt::join(listens(service), ", "), fmt::join(backends(service), ", "));
        }
    }
    for (Diagnostic note : findings.notes) {
        note.message = "note: " + note.message;
        fmt::print("{}\n", note.str());
    }
}

void print_json(const Findings& findings) {
    ordered_json services = ordered_json::array();
    for (const Service& service : findings.config.services) {
        services.push_back({{"service", service.name},
                            {"listen", listens(service)},
                            {"backends", backends(service)},
                            {"protocol", name(service.protocols)},
                            {"source", name(service.source)}});
    }
    const ordered_json json = {{"sound", findings.config.errors.empty()},
                               {"engine", findings.config.settings.engine},
                               {"errors", to_json(findings.config.errors)},
                               {"notes", to_json(findings.notes)},
                               {"services", std::move(services)}};
    fmt::print("{}\n", json.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

}  // namespace

Action check_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->input.add_file(app);
    options->input.add_engine(app);
    app.add_flag("--json", options->json, "for programs");
    app.footer(
        "Example:\n"
        "  hairpin check hairpin.yaml\n\n"
        "Every mistake is shown as file:line:column, exit status 2. What would be wrong on this machine only, and\n"
        "what the engine cannot do, are notes. Backends by name stand as they are written: DNS is not asked.");
    return [options] {
        const Findings findings = examine(options->input.load());
        options->json ? print_json(findings) : print_text(findings);
        return findings.config.errors.empty() ? exit_ok : exit_refused;
    };
}

}  // namespace hairpin
