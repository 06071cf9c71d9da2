#include "cli/manual.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <sstream>
#include <string_view>
#include <vector>

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

struct Declared {
    CLI::App app;
    Action action;  // owns what the options write to
    explicit Declared(const Command& command) : action(command.declare(app)) {}

    std::vector<const CLI::Option*> options(bool positional) const {
        return app.get_options([&](const CLI::Option* option) {
            return option->get_positional() == positional && option != app.get_help_ptr();
        });
    }
};

std::string section(const Command& command) {
    const Declared declared(command);
    const auto positionals = declared.options(true);
    const auto options = declared.options(false);
    std::string out = fmt::format(".SS hairpin {}{}", command.name, options.empty() ? "" : " [OPTIONS]");
    for (const CLI::Option* option : positionals) {
        const bool several = option->get_expected_max() >= CLI::detail::expected_max_vector_size;
        const std::string name = option->get_name(true) + (several ? "..." : "");
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

// --- Completion

// "tcp|udp" names two values, "PATH|none [/run/...]" one, "FILE" none: there any file may stand.
std::string values(const std::string& option_text) {
    std::istringstream alternatives(option_text.substr(0, option_text.find(' ')));
    std::string words;
    for (std::string word; std::getline(alternatives, word, '|');) {
        if (word.empty() || word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != word.npos) continue;
        words += (words.empty() ? "" : " ") + word;
    }
    return words;
}

bool takes_value(const CLI::Option& option) { return option.get_type_size() > 0 && option.get_expected_min() > 0; }

// What may follow a command and the word before the one at hand: a command, a value of that option, an option. Where
// there is nothing to offer, a file may be meant.
constexpr std::string_view completion_frame = R"(# bash completion for hairpin, as `hairpin completion bash` prints it
_hairpin() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words=''
    case "$COMP_CWORD ${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD - 1]}} $word" in
        1\ *) words='{commands} help' ;;
        2\ help\ *) words='{commands}' ;;
{values}{options}    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F _hairpin hairpin
)";

}  // namespace

std::string manual(std::span<const Command> commands) {
    std::string out = fmt::format(beginning, HAIRPIN_VERSION);
    for (const Command& command : commands) out += section(command);
    return out.append(end);
}

std::string bash_completion(std::span<const Command> commands) {
    std::vector<std::string_view> names;
    std::string values_of_options, options_of_commands;
    for (const Command& command : commands) {
        names.push_back(command.name);
        const Declared declared(command);
        std::string flags;
        for (const CLI::Option* option : declared.options(false)) {
            for (const std::string& name : option->get_lnames()) flags += "--" + name + " ";
            if (!takes_value(*option)) continue;
            std::vector<std::string> patterns;
            for (const std::string& name : option->get_snames()) {
                patterns.push_back(fmt::format("*\\ {}\\ -{}\\ *", command.name, name));
            }
            for (const std::string& name : option->get_lnames()) {
                patterns.push_back(fmt::format("*\\ {}\\ --{}\\ *", command.name, name));
            }
            values_of_options += fmt::format("        {}) words='{}' ;;\n", fmt::join(patterns, " | "),
                                             values(option->get_option_text()));
        }
        options_of_commands += fmt::format("        *\\ {}\\ *\\ -*) words='{}--help' ;;\n", command.name, flags);
    }
    return fmt::format(completion_frame, fmt::arg("commands", fmt::join(names, " ")),
                       fmt::arg("values", values_of_options), fmt::arg("options", options_of_commands));
}

}  // namespace hairpin
