#include <CLI/App.hpp>

#include "cli/backend_view.h"
#include "cli/commands.h"
#include "cli/listing.h"

namespace hairpin {

Action backends_command(CLI::App& app) {
    app.footer(
        "Example:\n"
        "  hairpin backends\n\n"
        "`serving` says whether new connections and sessions go there: where no backend is up, that may be all or "
        "none\n"
        "(see `when_none` in docs/config.md). `active` counts the flows that live there: one that drains is empty at "
        "0.");
    return listing_command(app, {.name = "backends", .json_help = "for programs", .table = backend_table});
}

}  // namespace hairpin
