#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>
#include <string_view>
#include <vector>

#include "cli/declared.h"

namespace hairpin {
namespace {

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

// --- zsh

// `arguments` has a line for each command. It may be in the $fpath, or be sourced.
constexpr std::string_view zsh_frame = R"(#compdef hairpin
# zsh completion for hairpin, as `hairpin completion zsh` prints it
_hairpin() {{
    local context state state_descr line
    typeset -A opt_args
    local -a commands=(
{commands}        'help:say how a command is used'
    )
    _arguments -C '1: :->command' '*:: :->arguments'
    case $state in
        command) _describe command commands ;;
        arguments)
            case $words[1] in
                help) _describe command commands ;;
{arguments}            esac ;;
    esac
}}
if [[ $funcstack[1] == _hairpin ]]; then _hairpin "$@"; else compdef _hairpin hairpin; fi
)";

// Within single quotes; and there, within brackets.
std::string quoted(std::string_view text, std::string_view to_escape = "") {
    std::string out;
    for (const char c : text) {
        if (to_escape.find(c) != to_escape.npos) out += '\\';
        out += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return out;
}

// What may stand for a value, or for an argument without a name, as _arguments wants it: "COLOUR:(red green)".
std::string choice(const std::string& text) {
    const std::string name = text.substr(0, text.find(' '));
    const std::string words = values(text);
    if (!words.empty()) return fmt::format("{}:({})", quoted(name, ":"), words);
    const bool is_file = name.find("FILE") != name.npos || name.find("PATH") != name.npos;
    return quoted(name, ":") + (is_file ? ":_files" : ": ");
}

std::string zsh_arguments(const Command& command) {
    std::string out;
    const Declared declared(command);
    for (const CLI::Option* option : declared.options(false)) {
        const std::string& text = option->get_option_text();
        const bool may_take_value = text.starts_with("[=");
        std::string_view sign;
        std::string value;
        if (may_take_value) {
            sign = "=-";
            value = "::" + choice(text.substr(2, text.find(']') - 2));
        } else if (takes_value(*option)) {
            sign = "=";
            value = ":" + choice(text);
        }
        const auto add = [&](std::string_view name, std::string_view how) {
            out += fmt::format(" '{}{}[{}]{}'", name, how, quoted(option->get_description(), "[]\\"), value);
        };
        for (const std::string& name : option->get_snames()) add("-" + name, takes_value(*option) ? "+" : "");
        for (const std::string& name : option->get_lnames()) add("--" + name, sign);
    }
    for (const CLI::Option* option : declared.options(true)) {
        const std::string name = option->get_name(true);
        out += fmt::format(" '{}:{}'", takes_several(*option) ? "*" : "", choice(name));
    }
    return out + " '--help[say how it is used]'";
}

}  // namespace

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

std::string zsh_completion(std::span<const Command> commands) {
    std::string names, arguments;
    for (const Command& command : commands) {
        names += fmt::format("        '{}:{}'\n", command.name, quoted(command.summary));
        arguments += fmt::format("                {}) _arguments{} ;;\n", command.name, zsh_arguments(command));
    }
    return fmt::format(zsh_frame, fmt::arg("commands", names), fmt::arg("arguments", arguments));
}

}  // namespace hairpin
