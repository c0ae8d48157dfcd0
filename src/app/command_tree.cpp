#include "command_tree.hpp"

#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

namespace ringmaster::app {
namespace {

TreeOption read_option(const CLI::Option& option) {
    TreeOption result;
    if (option.get_positional()) {
        result.names.push_back(option.get_name(true));
    } else {
        for (const auto& name : option.get_lnames()) result.names.push_back("--" + name);
    }
    result.description = option.get_description();
    result.required = option.get_required();
    result.standard = option.get_default_str();
    if (option.get_expected_max() == 0) return result;
    // "FILE", or with a check of the value "SHELL:{bash,zsh}".
    const std::string type = option.get_type_name();
    const std::size_t colon = type.find(":{");
    result.value = option.get_positional() ? result.names[0] : type.substr(0, colon);
    if (colon != type.npos && type.ends_with('}')) {
        result.choices = CLI::detail::split(type.substr(colon + 2, type.size() - colon - 3), ',');
    }
    return result;
}

TreeCommand read_command(const CLI::App& app, std::string name) {
    TreeCommand command{.name = std::move(name),
                        .word = app.get_name(),
                        .description = app.get_description(),
                        .options = {},
                        .positionals = {},
                        .commands = {}};
    for (const CLI::Option* option : app.get_options()) {
        (option->get_positional() ? command.positionals : command.options)
            .push_back(read_option(*option));
    }
    for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
        command.commands.push_back(read_command(*below, command.name + " " + below->get_name()));
    }
    return command;
}

}  // namespace

TreeCommand command_tree(const CLI::App& root) {
    return read_command(root, "");
}

}  // namespace ringmaster::app
