#include "cli/explanation_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "model/limits.h"
#include "model/service.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr size_t text_width = 100;

std::string text(const json& object, const char* member) { return object.at(member).get<std::string>(); }

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

    void leg(const json& leg, size_t source_width) {
        text_ += fmt::format("{:{}}{:7} -> {:7}   {:{}} -> {}\n", "", indent, hairpin::text(leg, "from"),
                             hairpin::text(leg, "to"), hairpin::text(leg, "source"), source_width,
                             hairpin::text(leg, "destination"));
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

// Legs of all engines and backends share their columns.
size_t source_width(const json& backends) {
    size_t width = 0;
    for (const json& backend : backends) {
        for (const json& engine : backend.at("engines")) {
            for (const json& leg : engine.at("legs")) width = std::max(width, text(leg, "source").size());
        }
    }
    return width;
}

void show(Page& page, const json& backend, size_t width) {
    page.title("backend " + text(backend, "backend"));
    const auto weight = backend.at("weight").get<uint32_t>();
    if (weight == 0) page.entry("weight", "0", "it takes no new flows; those that live go on");
    if (weight > 1) page.entry("weight", std::to_string(weight), "");
    page.entry("path", text(backend, "path"), text(backend, "reason"));
    page.entry("routes", "", "to the client: " + text(backend, "route_to_client"));
    page.entry("", "", "to the backend: " + text(backend, "route_to_backend"));
    for (const json& engine : backend.at("engines")) {
        page.gap();
        if (engine.at("legs").empty()) {
            page.entry(text(engine, "engine"), "no way", text(engine, "reason"));
            continue;
        }
        page.entry(text(engine, "engine"), "source " + text(engine, "source"), text(engine, "reason"));
        for (const json& leg : engine.at("legs")) page.leg(leg, width);
        if (const auto problem = text(engine, "problem"); !problem.empty()) page.problem(problem);
    }
}

// Whether the service lets the client in; nothing where it lets everybody in.
void show_admission(Page& page, const json& explanation) {
    if (explanation.at("admission").is_null()) return;
    const bool judged = !explanation.at("client_unknown").get<bool>();
    const std::string_view verdict = explanation.at("denied").is_null() ? "let in" : "denied";
    page.entry("client", judged ? verdict : "", text(explanation, "admission"));
}

// The limits that count the flow with others.
void show_limits(Page& page, const json& explanation) {
    const json& limits = explanation.at("service").at("limits");
    for (const Limit limit : all_limits) {
        const auto most = limits.find(name(limit));
        if (most == limits.end()) continue;
        const std::string whose = !is_per_client(limit) ? "of all clients together"
                                  : explanation.at("client_unknown").get<bool>()
                                      ? "of the client that the PROXY header names"
                                      : "of " + text(explanation, "counted_as");
        page.entry(
            "limit", std::to_string(most->get<uint32_t>()),
            fmt::format("{}{}, {}; beyond that, refused", is_rate(limit) ? "new " : "",
                        is_rate(limit) ? "connections and sessions a second" : "connections and sessions at once",
                        whose));
    }
}

// How one of several backends is chosen, and which.
std::string balancing(const json& explanation) {
    const std::string balance = text(explanation.at("service"), "balance");
    const json& chosen = explanation.at("chosen");
    if (balance == name(Balance::round_robin)) return "taken in turn";
    if (balance == name(Balance::least_connections)) {
        return "the one with the fewest live flows for its weight is taken";
    }
    if (explanation.at("client_unknown").get<bool>()) return "chosen by the client that the PROXY header names";
    if (chosen.empty()) return "chosen by the client's address";
    const std::string first = text(chosen.front(), "backend");
    const auto agrees = [&](const json& other) { return text(other, "backend") == first; };
    if (std::ranges::all_of(chosen, agrees)) return "this client always gets " + first;
    std::string words;
    for (const json& one : chosen) {
        words += fmt::format("{}{} with {}", words.empty() ? "" : ", ", text(one, "backend"), text(one, "engine"));
    }
    return "this client always gets " + words;
}

// What the service does with whoever calls.
void show_service(Page& page, const json& explanation) {
    const json& service = explanation.at("service");
    const bool denied = !explanation.at("denied").is_null();
    page.entry("service", text(service, "name"), "listens on " + text(explanation, "listen"));
    page.entry("source", text(service, "source"), "");
    page.entry("network", "", text(explanation, "network"));
    show_admission(page, explanation);
    if (!denied) show_limits(page, explanation);
    if (const std::string version = text(service, "send_proxy"); version != name(ProxyHeader::none)) {
        page.entry("header", "",
                   fmt::format("PROXY {} tells the backend the client's own address and {}", version,
                               text(explanation, "endpoint")));
    }
    const auto backends = service.at("backends").get<size_t>();
    if (backends > 1 && !denied) page.entry("backends", "", fmt::format("{}, {}", backends, balancing(explanation)));
}

void show_notes(Page& page, const json& notes) {
    for (const json& note : notes) page.entry("note", "", note.get<std::string>());
}

}  // namespace

std::string explanation_text(const json& explanation, bool colour) {
    Page page(colour);
    page.title(fmt::format("{}  {} -> {}", text(explanation, "protocol"), text(explanation, "client"),
                           text(explanation, "endpoint")));
    page.gap();
    const json& notes = explanation.at("notes");
    if (explanation.at("service").is_null()) {
        page.entry("service", "none", "no service listens there, so hairpin leaves this flow alone");
        show_notes(page, notes);
        return std::move(page).text();
    }
    show_service(page, explanation);
    const json& backends = explanation.at("backends");
    const size_t width = source_width(backends);
    for (const json& backend : backends) {
        page.gap();
        show(page, backend, width);
    }
    if (!notes.empty()) page.gap();
    show_notes(page, notes);
    return std::move(page).text();
}

}  // namespace hairpin
