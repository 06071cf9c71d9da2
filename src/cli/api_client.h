// Asks the API of a running daemon: the border to libcurl.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace hairpin {

// Where it listens.
struct ApiClient {
    std::string socket;

    ApiClient();                     // where a daemon of this user would listen, or else the system's
    void add_socket(CLI::App& app);  // --socket PATH

    using Query = std::vector<std::pair<std::string, std::string>>;
    Result<nlohmann::json> get(const std::string& path, const Query& query = {}) const;
    // Has the gateway change something: waits for as long as that takes it.
    Result<nlohmann::json> post(const std::string& path) const;

    // Has `show` show the answer. One that lacks what it looks for is an error, too: it comes from another version, or
    // from no hairpin.
    Result<int> ask(const std::string& path, const Query& query,
                    const std::function<Result<int>(const nlohmann::json& answer)>& show) const;
};

}  // namespace hairpin
