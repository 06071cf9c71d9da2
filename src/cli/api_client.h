// Asks the API of a running daemon: the border to libcurl.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace hairpin {

struct ApiClient {
    std::string socket;                        // where it listens
    std::chrono::seconds longest_silence{60};  // of a stream, whose gateway shows four times as often that it lives

    ApiClient();                     // where a daemon of this user would listen, or else the system's
    void add_socket(CLI::App& app);  // --socket PATH

    using Query = std::vector<std::pair<std::string, std::string>>;
    Result<nlohmann::json> get(const std::string& path, const Query& query = {}) const;

    // Has `show` show the answer. One that lacks what it looks for is an error, too: it comes from another version, or
    // from no hairpin.
    Result<int> ask(const std::string& path, const Query& query,
                    const std::function<Result<int>(const nlohmann::json& answer)>& show) const;

    // Asks for a change, waits for as long as that takes, and has `show` show what came of it: a status of 400 and
    // above has `error` in its answer. As ask() otherwise.
    Result<int> post(const std::string& path, const nlohmann::json& body,
                     const std::function<Result<int>(long status, const nlohmann::json& answer)>& show) const;

    // Reads an answer that goes on: `take` gets it piece by piece, and says whether to go on. Ends
    // where that ends, where `is_over` says so, which is asked whenever one of the descriptors has something to say, or
    // where the gateway has been silent for too long.
    Result<> follow(const std::string& path, const Query& query,
                    const std::function<bool(std::string_view piece)>& take, const std::function<bool()>& is_over,
                    const std::vector<pollfd>& descriptors) const;

    Error other_version() const;  // what answers is a hairpin whose answers are others

private:
    // The status. `body`: of a POST; null: it is a GET.
    Result<long> exchange(const std::string& path, const Query& query, const std::string* body,
                          nlohmann::json& answer) const;
};

}  // namespace hairpin
