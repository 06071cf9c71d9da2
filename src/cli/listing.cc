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
    const auto answer = options.api.get("/v1/" + listing.name);
    if (!answer) {
        fmt::print(stderr, "hairpin {}: {}\n", listing.name, answer.error().message);
        return exit_failed;
    }
    if (options.json) {
        fmt::print("{}\n", answer->dump(2));
    } else {
        fmt::print("{}", listing.table(answer->at(listing.name)));
    }
    return exit_ok;
}

}  // namespace

Action listing_command(CLI::App& app, const Listing& listing) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, listing.json_help);
    return [listing, options] { return run(listing, *options); };
}

}  // namespace hairpin
