#include <fmt/core.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/colour.h"
#include "cli/api_client.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/explanation_view.h"
#include "cli/input.h"
#include "daemon/explanation.h"
#include "engines/registry.h"
#include "lab/plan.h"
#include "lab/report.h"
#include "lab/stand_ins.h"
#include "model/follow_names.h"
#include "model/in_service.h"
#include "model/listen_links.h"
#include "net/netlink_topology.h"

namespace hairpin {
namespace {

// Whose addresses and routes the explanation stands on.
enum class Network : uint8_t { automatic, machine, lab };

}  // namespace

template <>
inline constexpr auto names_of<Network> = std::to_array<std::string_view>({"auto", "machine", "lab"});

namespace {

struct Options {
    ApiClient api;
    bool running = false;  // the gateway is asked, not a configuration
    Input input;
    Endpoint client;  // port 0: any
    Endpoint endpoint;
    std::optional<Protocol> protocol;
    std::optional<Ip> backend;
    Network network = Network::automatic;
    bool json = false;
};

// --- The network

bool leads_past_the_default(const Topology& topology, const Ip& ip) {
    const Route* route = topology.route_to(ip);
    return topology.owns(ip) || (route && route->destination.length > 0);
}

// Whether these services could be this machine's: it owns an external address, or knows its own way to a backend.
bool is_gateway_of(const Topology& topology, const Ruleset& ruleset) {
    return std::ranges::any_of(ruleset.services(), [&](const Service& service) {
        return std::ranges::any_of(service.listen, [&](const auto& listen) { return topology.owns(listen.ip); }) ||
               std::ranges::any_of(service.backends, [&](const Backend& backend) {
                   return leads_past_the_default(topology, backend.endpoint.ip);
               });
    });
}

struct Ground {
    Topology topology;
    std::string words;
};

Result<Ground> stand_on(Network network, const Ruleset& ruleset) {
    if (network != Network::lab) {
        Result<Topology> machine = read_topology();
        if (!machine) return machine.error().within("reading this machine's network; try --network lab");
        if (network == Network::machine || is_gateway_of(*machine, ruleset)) {
            return Ground{*std::move(machine), "this machine is the gateway"};
        }
    }
    std::string words = "that of `hairpin lab`";
    if (network == Network::automatic) {
        words +=
            ": this machine is not the gateway, it has none of the external addresses and no route of its own "
            "to a backend (--network machine takes it all the same)";
    }
    return Ground{lab::make_plan(ruleset).topology, words};
}

// --- The answer

std::vector<EngineView> look_at_engines(const std::string& only, const Ruleset& ruleset) {
    std::vector<EngineView> views;
    for (const EngineEntry& entry : engines()) {
        if (!only.empty() && only != automatic_engine && only != entry.name) continue;
        const auto engine = entry.make({});
        views.push_back({std::string(entry.name), engine->abilities(), engine->gaps(ruleset)});
    }
    return views;
}

template <class Json>
int show(const Options& options, const Json& explanation) {
    fmt::print("{}", options.json ? explanation.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                                  : explanation_text(explanation, wants_colour(STDOUT_FILENO)));
    return exit_ok;
}

int explain_running(const Options& options) {
    ApiClient::Query query = {{"client", options.client.str_open()}, {"endpoint", options.endpoint.str()}};
    if (options.protocol) query.emplace_back("protocol", name(*options.protocol));
    if (options.backend) query.emplace_back("backend", options.backend->str());
    const auto shown = options.api.ask(
        "/v1/explain", query, [&](const nlohmann::json& answer) -> Result<int> { return show(options, answer); });
    return shown ? *shown : complain("explain", shown.error().message);
}

int explain_configured(const Options& options) {
    const Config config = options.input.load();
    if (!sound(config)) return exit_refused;
    const Answers names = lab::stand_ins(config.services);
    const auto services = with_all_up(write_out(config.services, names));
    const Result<Ground> ground = stand_on(options.network, Ruleset(services));
    if (!ground) return complain("explain", ground.error().message);
    const Ruleset ruleset(follow_links(services, ground->topology));

    const Leg client = {options.protocol.value_or(protocol_served(ruleset, options.endpoint)), options.client,
                        options.endpoint};
    const std::vector<EngineView> engines = look_at_engines(options.input.engine, ruleset);
    Explanation explanation = explain(ruleset, ground->topology, client, engines, options.backend);
    explanation.network = ground->words;
    for (const std::string& note : lab::notes_on(names)) explanation.network += "; " + note;
    if (explanation.service && explanation.backends.empty() && !explanation.denial) {
        const Error failure = no_such_backend(*explanation.service, *options.backend);
        return complain("explain", failure.message, exit_refused);
    }
    return show(options, to_json(explanation));
}

}  // namespace

Action explain_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    add(app, "CLIENT", " ", "who calls: ADDRESS or ADDRESS:PORT", [options](const std::string& text) {
        options->client = accept("CLIENT", Endpoint::parse_open(text));
    })->required();
    add(app, "ENDPOINT", " ", "what it calls: ADDRESS:PORT", [options](const std::string& text) {
        options->endpoint = accept("ENDPOINT", Endpoint::parse(text));
    })->required();
    options->input.add_file_or_rules(app);
    options->input.add_engine(app);
    add(app, "--protocol", "tcp|udp", "default: what the endpoint serves",
        [options](const std::string& text) { options->protocol = accept("--protocol", parse_name<Protocol>(text)); });
    add(app, "--backend", "ADDRESS", "only this backend",
        [options](const std::string& text) { options->backend = accept("--backend", Ip::parse(text)); });
    add(app, "--network", "auto|machine|lab", "this machine's addresses and routes, or those that `lab` builds",
        [options](const std::string& text) { options->network = accept("--network", parse_name<Network>(text)); });
    app.add_flag("--json", options->json, "for programs");
    options->api.add_socket(app);
    CLI::Option* running =
        app.add_flag("--running", options->running, "as the running gateway serves now, whatever is configured");
    for (const char* configured : {"--config", "RULE", "--engine", "--network"})
        running->excludes(app.get_option(configured));
    app.get_option("--socket")->needs(running);
    app.final_callback([options] {
        if (options->client.ip.family() != options->endpoint.ip.family()) {
            throw CLI::ValidationError("CLIENT", "a client calls an endpoint of its own address family");
        }
    });
    app.footer(
        "Example:\n"
        "  hairpin explain 10.0.0.2 1.0.0.1:1234 1.0.0.1:1234=10.0.0.3:12345\n"
        "  hairpin explain 10.0.0.2 1.0.0.1:1234 --running");
    return [options] { return options->running ? explain_running(*options) : explain_configured(*options); };
}

}  // namespace hairpin
