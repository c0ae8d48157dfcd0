#pragma once

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace ringmaster::app {

/// An option or a positional argument of a command, as the help has it.
struct TreeOption {
    std::vector<std::string> names;  ///< "--config"; of a positional its one name
    std::string description;
    std::string value;                 ///< what it takes, e.g. "FILE"; empty: nothing
    std::vector<std::string> choices;  ///< where there are only so many
    std::string standard;              ///< its default; empty: none is told
    bool required = false;

    bool takes_path() const { return value == "FILE" || value == "DIR"; }
};

/// One command: the program itself, or one below it.
struct TreeCommand {
    std::string name;  ///< of all words: "" for the program, else e.g. " pools list"
    std::string word;  ///< the last of them
    std::string description;
    std::vector<TreeOption> options;
    std::vector<TreeOption> positionals;
    std::vector<TreeCommand> commands;  ///< below it
};

TreeCommand command_tree(const CLI::App& root);

/// Calls `visit(command)` for `command` and all below it, each before those below it.
template <class Visit>
void for_each_command(const TreeCommand& command, Visit&& visit) {
    visit(command);
    for (const TreeCommand& below : command.commands) for_each_command(below, visit);
}

}  // namespace ringmaster::app
