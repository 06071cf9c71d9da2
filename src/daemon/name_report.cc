#include "daemon/name_report.h"

#include <fmt/ranges.h>

namespace hairpin {
namespace {

using discovery::Known;

Event resolved(const Question& question, const std::vector<Server>& servers) {
    std::vector<std::string> texts;
    texts.reserve(servers.size());
    for (const Server& server : servers) {
        texts.push_back(Endpoint{server.ip, server.port}.str_open());
    }
    return {.kind = EventKind::name_resolved,
            .message = fmt::format("the name {} stands for {}", question.name, fmt::join(texts, ", ")),
            .name = question.name,
            .addresses = std::move(texts)};
}

Event unresolved(const Question& question, const Known& known) {
    return {.kind = EventKind::name_unresolved,
            .level = Event::Level::warning,
            .message = trouble_text(question, known),
            .name = question.name,
            .reason = known.trouble};
}

}  // namespace

std::string trouble_text(const Question& question, const Known& known) {
    return fmt::format("the name {} cannot be resolved: {}; {}", question.name, known.trouble,
                       known.servers.empty() ? "it has no backend until it can" : "its last answer counts");
}

std::vector<Event> name_events(const std::map<Question, Known>& before, const std::map<Question, Known>& now) {
    std::vector<Event> events;
    for (const auto& [question, known] : now) {
        const auto found = before.find(question);
        const Known earlier = found == before.end() || !found->second.asked ? Known{} : found->second;
        if (!known.asked) {
            if (found != before.end()) continue;
            Known unheard = known;
            unheard.trouble = "no DNS server has answered yet";
            events.push_back(unresolved(question, unheard));
        } else if (!known.trouble.empty() && known.trouble != earlier.trouble) {
            events.push_back(unresolved(question, known));
        } else if (known.servers != earlier.servers || (known.trouble.empty() && !earlier.trouble.empty())) {
            events.push_back(resolved(question, known.servers));
        }
    }
    return events;
}

}  // namespace hairpin
