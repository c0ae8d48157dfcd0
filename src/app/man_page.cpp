#include "ringmaster/app/man_page.hpp"

#include "command_tree.hpp"

namespace ringmaster::app {
namespace {

/// `text` as man(7) wants it: what would be a request or an escape is none, and a hyphen is the
/// character that people type.
std::string escaped(std::string_view text) {
    std::string out;
    if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
    for (const char c : text) {
        switch (c) {
            case '\\': out += "\\e"; break;
            case '-': out += "\\-"; break;
            case '\n': out += "\n.br\n"; break;
            default: out += c;
        }
    }
    return out;
}

std::string bold(std::string_view text) {
    return "\\fB" + escaped(text) + "\\fR";
}
std::string italic(std::string_view text) {
    return "\\fI" + escaped(text) + "\\fR";
}

void append_item(std::string& out, const std::string& term, std::string_view meaning) {
    out += ".TP\n" + term + "\n" + escaped(meaning) + "\n";
}

std::string choices_text(const TreeOption& option) {
    std::string text;
    for (const std::string& choice : option.choices) {
        text.append(text.empty() ? ": " : ", ") += choice;
    }
    return text;
}

void append_option(std::string& out, const TreeOption& option) {
    std::string term;
    for (const std::string& name : option.names) {
        term.append(term.empty() ? "" : ", ") += bold(name);
    }
    if (!option.value.empty()) term += " " + italic(option.value);
    append_item(out, term,
                option.description + choices_text(option) +
                    (option.standard.empty() ? "" : " (default: " + option.standard + ")"));
}

void append_command(std::string& out, const TreeCommand& command) {
    if (command.name.empty() || !command.commands.empty()) return;  // nothing to run by itself
    std::string synopsis = bold("ringmaster" + command.name);
    for (const TreeOption& positional : command.positionals) {
        synopsis += " " + italic(positional.names[0]);
    }
    out += ".SS " + synopsis + "\n" + escaped(command.description) + ".\n";
    for (const TreeOption& positional : command.positionals) {
        append_item(out, italic(positional.names[0]),
                    positional.description + choices_text(positional));
    }
    for (const TreeOption& option : command.options) {
        if (option.names[0] != "--help") append_option(out, option);  // told once, of the program
    }
}

}  // namespace

std::string man_page(const CLI::App& app, std::string_view version,
                     const std::vector<ManualSection>& sections) {
    const TreeCommand root = command_tree(app);
    std::string out = ".TH RINGMASTER 1 \"\" \"ringmaster " + std::string(version) + "\"\n";
    out += ".SH NAME\nringmaster \\- " + escaped(root.description) + "\n";
    out += ".SH SYNOPSIS\n" + bold("ringmaster") + " " + italic("COMMAND") + " [" +
           italic("OPTION") + "]...\n";
    out += ".SH OPTIONS\n";
    for (const TreeOption& option : root.options) append_option(out, option);
    out += ".SH COMMANDS\n";
    for_each_command(root, [&](const TreeCommand& command) { append_command(out, command); });
    for (const ManualSection& section : sections) {
        out += ".SH \"" + escaped(section.title) + "\"\n";
        for (const auto& item : section.items) append_item(out, bold(item.term), item.meaning);
    }
    return out;
}

}  // namespace ringmaster::app
