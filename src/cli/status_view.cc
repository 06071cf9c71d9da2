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

std::string problems_text(const json& status) {
    const json& problems = status.at("problems");
    if (problems.empty()) return "nothing is wrong\n";
    std::string text = problems.size() == 1 ? "1 problem:\n" : fmt::format("{} problems:\n", problems.size());
    for (const json& problem : problems) {
        text += "  " + problem.at("message").get<std::string>() + "\n";
        if (problem.at("kind") == "reload") text += further_reasons(status.at("configuration").at("refused"));
    }
    return text;
}

}  // namespace

std::string status_page(const json& status, const json& services) {
    const json& configuration = status.at("configuration");
    return fmt::format("hairpin {}, engine {}, pid {}, up {}: {} on {}\n", status.at("version").get<std::string>(),
                       status.at("engine").get<std::string>(), status.at("pid").get<int64_t>(),
                       age_text(status.at("uptime_ms")), count(status.at("services").get<uint64_t>(), "service"),
                       count(status.at("endpoints").get<uint64_t>(), "endpoint")) +
           fmt::format("configuration: {}, loaded {}\n\n", configuration.at("origin").get<std::string>(),
                       configuration.at("loaded_at").get<std::string>()) +
           service_table(services.at("services")) + "\n" + problems_text(status);
}

}  // namespace hairpin
