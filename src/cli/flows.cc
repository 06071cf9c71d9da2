#include <CLI/App.hpp>

#include "cli/commands.h"
#include "cli/flow_view.h"
#include "cli/listing.h"

namespace hairpin {

Action flows_command(CLI::App& app) {
    app.footer(
        "Example:\n"
        "  hairpin flows\n\n"
        "`seen as` is what the backend takes for its client: `hairpin who` goes from there back to the client.");
    return listing_command(app, {.name = "flows",
                                 .json_help = "for programs; with those that have ended and are still remembered",
                                 .table = flow_table,
                                 .remark = unlisted_text});
}

}  // namespace hairpin
