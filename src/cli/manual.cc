#include "cli/manual.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <sstream>
#include <string_view>
#include <vector>

#include "cli/declared.h"

namespace hairpin {
namespace {

constexpr std::string_view beginning = R"(.TH HAIRPIN 1 "" "hairpin {}" "User Commands"
.SH NAME
hairpin \- layer\-4 load balancer and NAT gateway
.SH SYNOPSIS
.B hairpin
.I COMMAND
.RI [ ARGUMENTS ]
.SH DESCRIPTION
A service has an external endpoint, such as 1.0.0.1:5432, and backends inside, such as 10.0.0.2:54321. Whoever uses the
external endpoint gets the service, wherever they stand: outside, on another inside network, beside the server, on the
server itself, or on the gateway.
.SH COMMANDS
)";

constexpr std::string_view end = R"(.SH EXIT STATUS
0: success. 1: a failure. 2: a mistake in the arguments or the configuration.
.SH FILES
.TP
.I /etc/hairpin/hairpin.yaml
the configuration; /usr/share/doc/hairpin/config.md has every key
.TP
.I /run/hairpin/hairpin.sock
where the running gateway is asked: HTTP and JSON
.SH SEE ALSO
.BR systemctl (1),
.BR nft (8)
)";

// As roff: `code` in bold, and nothing taken for a request.
std::string roff(std::string_view text) {
    std::string out;
    bool bold = false;
    for (const char c : text) {
        if (c == '`') {
            bold = !bold;
            out += bold ? "\\fB" : "\\fR";
        } else if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
    return out;
}

// A footer: paragraphs, and examples, which are indented.
std::string paragraphs(const std::string& text) {
    std::string out = ".PP\n";
    std::istringstream lines(text);
    bool example = false;
    for (std::string line; std::getline(lines, line);) {
        const bool indented = line.starts_with("  ");
        if (indented != example) out += indented ? ".EX\n" : ".EE\n";
        example = indented;
        out += line.empty() ? ".PP\n" : roff(line) + "\n";
    }
    return out + (example ? ".EE\n" : "");
}

std::string section(const Command& command) {
    const Declared declared(command);
    const auto positionals = declared.options(true);
    const auto options = declared.options(false);
    std::string out = fmt::format(".SS hairpin {}{}", command.name, options.empty() ? "" : " [OPTIONS]");
    for (const CLI::Option* option : positionals) {
        const std::string name = option->get_name(true) + (takes_several(*option) ? "..." : "");
        out += option->get_required() ? " " + name : " [" + name + "]";
    }
    out += "\n" + roff(command.summary) + "\n";
    for (const auto& group : {positionals, options}) {
        for (const CLI::Option* option : group) {
            const bool positional = option->get_positional();
            out += fmt::format(".TP\n\\fB{}\\fR", roff(option->get_name(positional, !positional)));
            // Of a positional it says no more than the name does, but for a default.
            const std::string& text = option->get_option_text();
            if (text.find_first_not_of(" .") != text.npos) out += " " + roff(text);
            out += "\n" + roff(option->get_description()) + "\n";
        }
    }
    return out + paragraphs(declared.app.get_footer());
}

}  // namespace

std::string manual(std::span<const Command> commands) {
    std::string out = fmt::format(beginning, HAIRPIN_VERSION);
    for (const Command& command : commands) out += section(command);
    return out.append(end);
}

}  // namespace hairpin
