#include "ringmaster/app/completion.hpp"

#include <string_view>

#include "command_tree.hpp"

namespace ringmaster::app {
namespace {

/// `text` as one word of a shell.
std::string quoted(std::string_view text, std::string_view escaped_quote) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') {
            out += escaped_quote;
        } else {
            out += c;
        }
    }
    return out + "'";
}
std::string sh_quoted(std::string_view text) {
    return quoted(text, "'\\''");
}

/// The pattern of a `case` for all commands but the program itself.
std::string all_commands(const TreeCommand& root, std::string_view separator) {
    std::string pattern;
    for_each_command(root, [&](const TreeCommand& command) {
        if (command.name.empty()) return;
        pattern.append(pattern.empty() ? "" : separator) += sh_quoted(command.name);
    });
    return pattern;
}

/// The same for all options behind which `wanted(option)` is to be completed.
template <class Wanted>
std::string all_options(const TreeCommand& root, std::string_view separator, Wanted&& wanted) {
    std::string pattern;
    for_each_command(root, [&](const TreeCommand& command) {
        for (const TreeOption& option : command.options) {
            if (!wanted(option)) continue;
            for (const std::string& name : option.names) {
                pattern.append(pattern.empty() ? "" : separator) +=
                    sh_quoted(command.name + " " + name);
            }
        }
    });
    return pattern;
}

bool takes_other_value(const TreeOption& option) {
    return !option.value.empty() && !option.takes_path();
}

bool takes_path(const TreeCommand& command) {
    for (const TreeOption& positional : command.positionals) {
        if (positional.takes_path()) return true;
    }
    return false;
}

/// Calls `visit(word, description)` for all that may follow the command, but paths.
template <class Visit>
void for_each_word(const TreeCommand& command, Visit&& visit) {
    for (const TreeCommand& below : command.commands) visit(below.word, below.description);
    for (const TreeOption& positional : command.positionals) {
        for (const std::string& choice : positional.choices) {
            visit(choice, positional.description);
        }
    }
    for (const TreeOption& option : command.options) {
        for (const std::string& name : option.names) visit(name, option.description);
    }
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
    const TreeCommand root = command_tree(app);
    const auto is_path = [](const TreeOption& option) { return option.takes_path(); };
    std::string out =
        "# Completes ringmaster's command line in bash.\n"
        "_ringmaster() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    local command='' words='' paths='' i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case \"$command ${COMP_WORDS[i]}\" in\n"
        "            " +
        all_commands(root, " | ") +
        ")\n"
        "                command+=\" ${COMP_WORDS[i]}\" ;;\n"
        "        esac\n"
        "    done\n"
        "    case \"$command $previous\" in\n"
        "        " +
        all_options(root, " | ", is_path) +
        ")\n"
        "            paths=yes ;;\n"
        "        " +
        all_options(root, " | ", takes_other_value) +
        ")\n"
        "            return ;;\n"
        "        *)\n"
        "            case $command in\n";
    for_each_command(root, [&](const TreeCommand& command) {
        std::string words;
        for_each_word(command, [&](const std::string& word, const std::string&) {
            words.append(words.empty() ? "" : " ") += word;
        });
        out += "                " + sh_quoted(command.name) + ") words=" + sh_quoted(words) +
               (takes_path(command) ? " paths=yes" : "") + " ;;\n";
    });
    return out +
           "            esac ;;\n"
           "    esac\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    if [[ $paths && $current != -* ]]; then\n"
           "        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$current\")\n"
           "        compopt -o filenames 2>/dev/null\n"
           "    fi\n"
           "}\n"
           "complete -F _ringmaster ringmaster\n";
}

std::string zsh_completion(const CLI::App& app) {
    const TreeCommand root = command_tree(app);
    const auto is_path = [](const TreeOption& option) { return option.takes_path(); };
    std::string out =
        "#compdef ringmaster\n"
        "# Completes ringmaster's command line in zsh.\n"
        "_ringmaster() {\n"
        "    local command='' takes_paths='' word\n"
        "    local -a candidates\n"
        "    for word in ${words[2,CURRENT - 1]}; do\n"
        "        case \"$command $word\" in\n"
        "            (" +
        all_commands(root, "|") +
        ") command+=\" $word\" ;;\n"
        "        esac\n"
        "    done\n"
        "    case \"$command ${words[CURRENT - 1]}\" in\n"
        "        (" +
        all_options(root, "|", is_path) +
        ") _files; return ;;\n"
        "        (" +
        all_options(root, "|", takes_other_value) +
        ") return ;;\n"
        "    esac\n"
        "    case $command in\n";
    for_each_command(root, [&](const TreeCommand& command) {
        out += "        (" + sh_quoted(command.name) + ")\n            candidates=(\n";
        for_each_word(command, [&](const std::string& word, const std::string& description) {
            std::string escaped;
            for (const char c : description) {
                if (c == ':' || c == '\\') escaped += '\\';
                escaped += c;
            }
            out += "                " + sh_quoted(word + ":" + escaped) + "\n";
        });
        out += "            )\n";
        if (takes_path(command)) out += "            takes_paths=yes\n";
        out += "            ;;\n";
    });
    return out +
           "    esac\n"
           "    _describe ringmaster candidates\n"
           "    if [[ -n $takes_paths ]]; then _files; fi\n"
           "}\n"
           "if [[ $funcstack[1] == _ringmaster ]]; then\n"
           "    _ringmaster \"$@\"\n"
           "else\n"
           "    compdef _ringmaster ringmaster\n"
           "fi\n";
}

std::string fish_completion(const CLI::App& app) {
    const TreeCommand root = command_tree(app);
    const auto fish_quoted = [](std::string_view text) { return quoted(text, "\\'"); };
    std::string out =
        "# Completes ringmaster's command line in fish.\n"
        "function __ringmaster_at --argument-names wanted\n"
        "    set -l command ''\n"
        "    set -l typed (commandline -opc)\n"
        "    for word in $typed[2..-1]\n"
        "        switch \"$command $word\"\n"
        "            case " +
        all_commands(root, " ") +
        "\n"
        "                set command \"$command $word\"\n"
        "        end\n"
        "    end\n"
        "    test \"$command\" = \"$wanted\"\n"
        "end\n"
        "complete -c ringmaster -f\n";
    for_each_command(root, [&](const TreeCommand& command) {
        const std::string here =
            "complete -c ringmaster -n " + fish_quoted("__ringmaster_at \"" + command.name + "\"");
        for (const TreeCommand& below : command.commands) {
            out.append(here).append(" -a ").append(below.word).append(" -d ");
            out.append(fish_quoted(below.description)).append("\n");
        }
        for (const TreeOption& positional : command.positionals) {
            for (const std::string& choice : positional.choices) {
                out.append(here).append(" -a ").append(choice).append("\n");
            }
        }
        if (takes_path(command)) out.append(here).append(" -F\n");
        for (const TreeOption& option : command.options) {
            for (const std::string& name : option.names) {
                out += here + " -l " + name.substr(2) + (option.value.empty() ? "" : " -r") +
                       (option.takes_path() ? " -F" : "") + " -d " +
                       fish_quoted(option.description) + "\n";
            }
        }
    });
    return out;
}

}  // namespace ringmaster::app
