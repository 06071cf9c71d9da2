// The two views of an Explanation: columns for people, JSON for programs.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/explanation.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

constexpr size_t text_width = 100;

// "10.0.0.2:any": what is left open is said in words.
std::string open_endpoint(const Endpoint& endpoint) {
    if (endpoint.ip.is_unspecified()) return "any:any";
    if (endpoint.port != 0) return endpoint.str();
    return endpoint.ip.is_v4() ? endpoint.ip.str() + ":any" : "[" + endpoint.ip.str() + "]:any";
}

// Lays an explanation out: labels in one column, what they label in the next, wrapped at text_width.
class Page {
public:
    explicit Page(bool colour) : colour_(colour) {}

    void title(std::string_view words) { text_ += styled("1", words) + "\n"; }
    void gap() { text_ += "\n"; }

    // `lead`, where there is one, is a word or two that the eye shall find first.
    void entry(std::string_view label, std::string_view lead, std::string_view words) {
        std::string column = "  " + std::string(label);
        column.resize(std::max(column.size() + 1, indent), ' ');
        text_ += column;
        size_t used = column.size();
        if (!lead.empty()) {
            text_ += styled("36", lead) + (words.empty() ? "" : "  ");
            used += lead.size() + 2;
        }
        flow(words, used);
    }

    void stretch(const Stretch& stretch, size_t source_width) {
        text_ += fmt::format("{:{}}{:7} -> {:7}   {:{}} -> {}\n", "", indent, stretch.from, stretch.to,
                             open_endpoint(stretch.source), source_width, open_endpoint(stretch.destination));
    }

    void problem(std::string_view words) {
        text_ += std::string(indent, ' ') + styled("31", "fails:") + " ";
        flow(words, indent + 7);
    }

    std::string text() && { return std::move(text_); }

private:
    static constexpr size_t indent = 12;

    // Words from column `used` on; further lines start below the first word.
    void flow(std::string_view words, size_t used) {
        const size_t start = used;
        for (bool first = true; !words.empty(); first = false) {
            const size_t end = std::min(words.find(' '), words.size());
            if (!first && used + 1 + end > text_width) {
                text_ += "\n" + std::string(start, ' ');
                used = start;
            } else if (!first) {
                text_ += ' ';
                ++used;
            }
            text_ += words.substr(0, end);
            used += end;
            words.remove_prefix(std::min(end + 1, words.size()));
        }
        text_ += "\n";
    }

    std::string styled(std::string_view code, std::string_view words) const {
        if (!colour_) return std::string(words);
        return fmt::format("\033[{}m{}\033[0m", code, words);
    }

    bool colour_;
    std::string text_;
};

// Stretches of all engines and backends share their columns.
size_t source_width(const Explanation& explanation) {
    size_t width = 0;
    for (const BackendView& backend : explanation.backends) {
        for (const Passage& passage : backend.passages) {
            for (const Stretch& stretch : passage.stretches) {
                width = std::max(width, open_endpoint(stretch.source).size());
            }
        }
    }
    return width;
}

void show(Page& page, const BackendView& backend, const Leg& client, size_t width) {
    page.title("backend " + backend.endpoint.str());
    if (backend.weight == 0) page.entry("weight", "0", "it takes no new flows; those that live go on");
    if (backend.weight > 1) page.entry("weight", std::to_string(backend.weight), "");
    page.entry("path", name(backend.path), backend.reason);
    page.entry("routes", "", fmt::format("to the client {}: {}", client.source.ip.str(), backend.route_to_client));
    page.entry("", "", fmt::format("to the backend {}: {}", backend.endpoint.ip.str(), backend.route_to_backend));
    for (const Passage& passage : backend.passages) {
        page.gap();
        if (passage.stretches.empty()) {
            page.entry(passage.engine, "no way", passage.reason);
            continue;
        }
        page.entry(passage.engine, fmt::format("source {}", name(passage.source)), passage.reason);
        for (const Stretch& stretch : passage.stretches) page.stretch(stretch, width);
        if (!passage.problem.empty()) page.problem(passage.problem);
    }
}

// Whether the service lets the client in; nothing where it lets everybody in.
void show_admission(Page& page, const Explanation& explanation) {
    const Service& service = *explanation.service;
    if (service.allow.empty() && service.deny.empty()) return;
    const std::string client = explanation.client.source.ip.str();
    if (explanation.client_unknown) {
        page.entry("client", "", "judged by the address that its PROXY header names, or by its own if that names none");
    } else if (!explanation.denial) {
        page.entry("client", "let in",
                   client + (service.allow.empty() ? " is not in deny" : " is in allow and not denied"));
    } else if (explanation.denial->prefix) {
        page.entry("client", "denied", fmt::format("{} is in deny: {}", client, explanation.denial->prefix->str()));
    } else {
        page.entry("client", "denied", client + " is not in allow");
    }
}

// The limits that count the flow with others.
void show_limits(Page& page, const Explanation& explanation) {
    for (const Limit limit : all_limits) {
        const uint32_t most = explanation.service->limits[limit];
        if (most == 0) continue;
        const std::string whose = !is_per_client(limit)        ? "of all clients together"
                                  : explanation.client_unknown ? "of the client that the PROXY header names"
                                                               : "of " + explanation.counted;
        page.entry(
            "limit", std::to_string(most),
            fmt::format("{}{}, {}; beyond that, refused", is_rate(limit) ? "new " : "",
                        is_rate(limit) ? "connections and sessions a second" : "connections and sessions at once",
                        whose));
    }
}

// How one of several backends is chosen, and which.
std::string balancing(const Explanation& explanation) {
    const std::vector<Chosen>& chosen = explanation.chosen;
    if (explanation.service->balance == Balance::round_robin) return "taken in turn";
    if (explanation.service->balance == Balance::least_connections) {
        return "the one with the fewest live flows for its weight is taken";
    }
    if (explanation.client_unknown) {
        return "chosen by the client that the PROXY header names";
    }
    if (chosen.empty()) return "chosen by the client's address";
    const bool agreed =
        std::ranges::all_of(chosen, [&](const Chosen& other) { return other.backend == chosen.front().backend; });
    if (agreed) return "this client always gets " + chosen.front().backend.str();
    std::string words = "this client always gets ";
    for (const Chosen& one : chosen) {
        words += fmt::format("{}{} with {}", &one == &chosen.front() ? "" : ", ", one.backend.str(), one.engine);
    }
    return words;
}

std::string source_setting(const Service& service) {
    std::string setting(name(service.source));
    for (const Prefix& prefix : service.source_map) setting += " " + prefix.str();
    return setting;
}

}  // namespace

std::string to_text(const Explanation& explanation, bool colour) {
    Page page(colour);
    const Leg& client = explanation.client;
    page.title(
        fmt::format("{}  {} -> {}", name(client.protocol), open_endpoint(client.source), client.destination.str()));
    page.gap();
    if (!explanation.service) {
        page.entry("service", "none", "no service listens there, so hairpin leaves this flow alone");
        for (const std::string& note : explanation.notes) page.entry("note", "", note);
        return std::move(page).text();
    }

    const Service& service = *explanation.service;
    page.entry("service", service.name, "listens on " + explanation.listen);
    page.entry("source", source_setting(service), "");
    page.entry("network", "", explanation.network);
    show_admission(page, explanation);
    if (!explanation.denial) show_limits(page, explanation);
    if (service.send_proxy != ProxyHeader::none) {
        page.entry("header", "",
                   fmt::format("PROXY {} tells the backend the client's own address and {}", name(service.send_proxy),
                               client.destination.str()));
    }
    if (service.backends.size() > 1 && !explanation.denial) {
        page.entry("backends", "", fmt::format("{}, {}", service.backends.size(), balancing(explanation)));
    }
    const size_t width = source_width(explanation);
    for (const BackendView& backend : explanation.backends) {
        page.gap();
        show(page, backend, client, width);
    }
    if (!explanation.notes.empty()) page.gap();
    for (const std::string& note : explanation.notes) page.entry("note", "", note);
    return std::move(page).text();
}

ordered_json to_json(const Explanation& explanation) {
    ordered_json backends = ordered_json::array();
    for (const BackendView& backend : explanation.backends) {
        ordered_json engines = ordered_json::array();
        for (const Passage& passage : backend.passages) {
            ordered_json stretches = ordered_json::array();
            for (const Stretch& stretch : passage.stretches) {
                stretches.push_back({{"from", stretch.from},
                                     {"to", stretch.to},
                                     {"source", open_endpoint(stretch.source)},
                                     {"destination", open_endpoint(stretch.destination)}});
            }
            engines.push_back({{"engine", passage.engine},
                               {"source", stretches.empty() ? ordered_json() : ordered_json(name(passage.source))},
                               {"reason", passage.reason},
                               {"problem", passage.problem},
                               {"legs", std::move(stretches)}});
        }
        backends.push_back({{"backend", backend.endpoint.str()},
                            {"weight", backend.weight},
                            {"path", name(backend.path)},
                            {"reason", backend.reason},
                            {"route_to_client", backend.route_to_client},
                            {"route_to_backend", backend.route_to_backend},
                            {"engines", std::move(engines)}});
    }
    const Service* service = explanation.service;
    ordered_json chosen = ordered_json::array();
    for (const Chosen& one : explanation.chosen) {
        chosen.push_back({{"engine", one.engine}, {"backend", one.backend.str()}});
    }
    ordered_json denial;
    if (explanation.denial) {
        const auto& prefix = explanation.denial->prefix;
        denial = {{"list", name(explanation.denial->list)}, {"prefix", prefix ? ordered_json(prefix->str()) : nullptr}};
    }
    ordered_json limits = ordered_json::object();
    for (const Limit limit : all_limits) {
        if (service && service->limits[limit] > 0) limits[std::string(name(limit))] = service->limits[limit];
    }
    return {{"protocol", name(explanation.client.protocol)},
            {"client", open_endpoint(explanation.client.source)},
            {"endpoint", explanation.client.destination.str()},
            {"network", explanation.network},
            {"service", service ? ordered_json(service->name) : ordered_json()},
            {"source", service ? ordered_json(source_setting(*service)) : ordered_json()},
            {"balance", service ? ordered_json(name(service->balance)) : ordered_json()},
            {"self", service ? ordered_json(name(service->self)) : ordered_json()},
            {"denied", std::move(denial)},
            {"limits", std::move(limits)},
            {"counted_as", explanation.counted.empty() ? ordered_json() : ordered_json(explanation.counted)},
            {"chosen", std::move(chosen)},
            {"backends", std::move(backends)},
            {"notes", explanation.notes}};
}

}  // namespace hairpin
