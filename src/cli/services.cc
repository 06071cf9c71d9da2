#include <CLI/App.hpp>

#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/service_view.h"

namespace hairpin {

Action services_command(CLI::App& app) {
    app.footer(
        "Example:\n"
        "  hairpin services\n\n"
        "`up` is how many of the backends are: those that nobody checks count. `accepted` and `refused` are all since\n"
        "the gateway began.");
    return listing_command(app, {.name = "services", .json_help = "for programs", .table = service_table});
}

}  // namespace hairpin
