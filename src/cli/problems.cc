#include "cli/problems.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/status_view.h"

namespace hairpin {

void show_problems(const ApiClient& api, std::string_view kind) {
    (void)api.ask("/v1/status", {}, [&](const nlohmann::json& status) -> Result<int> {
        fmt::print("{}", problems_text(status, kind));
        return exit_ok;
    });
}

}  // namespace hairpin
