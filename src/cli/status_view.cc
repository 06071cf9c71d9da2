#include "cli/status_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/quantities.h"
#include "cli/service_view.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr size_t most_reasons = 10;

std::string count(uint64_t number, std::string_view noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

// Why the last reload was refused, where a problem has only the first reason.
std::string further_reasons(const json& refused) {
    if (refused.is_null()) return {};
    const json& reasons = refused.at("reasons");
    std::string text;
    for (size_t i = 1; i < reasons.size() && i < most_reasons; ++i) {
        text += "    " + reasons.at(i).get<std::string>() + "\n";
    }
    if (reasons.size() > most_reasons) text += fmt::format("    and {} more\n", reasons.size() - most_reasons);
    return text;
}

std::string remarks_text(const json& remarks) {
    std::string text = remarks.empty() ? "" : "\nworth a look:\n";
    for (const json& remark : remarks) text += "  " + remark.get<std::string>() + "\n";
    return text;
}

}  // namespace

std::string problems_text(const json& status, std::string_view kind) {
    std::string text;
    size_t problems = 0;
    for (const json& problem : status.at("problems")) {
        if (!kind.empty() && problem.at("kind") != kind) continue;
        ++problems;
        text += "  " + problem.at("message").get<std::string>() + "\n";
        if (problem.at("kind") == "reload") text += further_reasons(status.at("configuration").at("refused"));
    }
    return problems == 0 ? text : count(problems, "problem") + ":\n" + text;
}

std::string status_page(const json& status, const json& services) {
    const json& configuration = status.at("configuration");
    const std::string problems = problems_text(status);
    return fmt::format("hairpin {}, engine {}, pid {}, up {}: {} on {}\n", status.at("version").get<std::string>(),
                       status.at("engine").get<std::string>(), status.at("pid").get<int64_t>(),
                       age_text(status.at("uptime_ms")), count(status.at("services").get<uint64_t>(), "service"),
                       count(status.at("endpoints").get<uint64_t>(), "endpoint")) +
           fmt::format("configuration: {}, loaded {}\n\n", configuration.at("origin").get<std::string>(),
                       configuration.at("loaded_at").get<std::string>()) +
           service_table(services.at("services")) + "\n" + (problems.empty() ? "nothing is wrong\n" : problems) +
           remarks_text(status.at("remarks"));
}

}  // namespace hairpin
