#include "cli/listing.h"

#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    bool json = false;
};

int run(const Listing& listing, const Options& options) {
    const auto shown = options.api.ask("/v1/" + listing.name, {}, [&](const nlohmann::json& answer) -> Result<int> {
        fmt::print("{}", options.json ? answer.dump(2) + "\n"
                                      : listing.table(answer.at(listing.name)) + listing.remark(answer));
        return exit_ok;
    });
    return shown ? *shown : complain(listing.name, shown.error().message);
}

}  // namespace

Action listing_command(CLI::App& app, const Listing& listing) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, listing.json_help);
    return [listing, options] { return run(listing, *options); };
}

}  // namespace hairpin
