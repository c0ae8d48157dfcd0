#include "ringmaster/app/command_line.hpp"

#include <cstdint>

#include <CLI/CLI.hpp>

namespace ringmaster::app {
namespace {

/// "Exit status: 0 done; 1 failed..." for each section.
std::string footer() {
    std::string text;
    for (const ManualSection& section : CommandLine::manual_sections()) {
        std::string title(section.title);
        for (std::size_t i = 1; i < title.size(); ++i) {
            if (title[i] >= 'A' && title[i] <= 'Z') title[i] = static_cast<char>(title[i] + 32);
        }
        text += (text.empty() ? "" : "\n") + title + ":\n";
        for (const auto& item : section.items) {
            text.append("  ").append(item.term).append("  ").append(item.meaning).append("\n");
        }
    }
    text.pop_back();
    return text;
}

/// An option whose value is a number within bounds.
template <class Value>
CLI::Option* add_bounded(CLI::App& command, const char* name, Value& value, std::uint32_t least,
                         std::uint32_t most, const char* what, const char* type) {
    // What a check says of itself would stand in the help.
    return command.add_option(name, value, what)
        ->check(CLI::Range(least, most).description(""))
        ->type_name(type);
}

}  // namespace

const std::vector<ManualSection>& CommandLine::manual_sections() {
    static const std::vector<ManualSection> sections = {
        {"EXIT STATUS",
         {{"0", "done"},
          {"1",
           "failed: bad configuration, no daemon there, something refused, damage found, serve "
           "can't start or was stopped at once"},
          {"2", "the command line is wrong"},
          {"3",
           "what was named is not there: a pool, a holder, a file to read, a daemon to control"}}},
        {"SIGNALS",
         {{"TERM, INT, QUIT", "serve drains and stops; a second one stops it at once"},
          {"HUP",
           "serve reads its configuration again and applies the pools in it; where anything is "
           "wrong it applies nothing, and tells the log; the log file is opened anew"},
          {"USR1", "serve opens its log file anew, after it was moved away"},
          {"USR2",
           "serve runs the program that is on the disk in its own place, which restarts the shards "
           "one by one; where that or the configuration is not good, nothing changes"}}},
        {"ENVIRONMENT",
         {{"RINGMASTER_TOKEN",
           "the admin token, where there is no --token-file; else the one of the configuration is "
           "taken"}}},
    };
    return sections;
}

CommandLine::CommandLine(const std::function<CommandActions(const CommandLine&)>& make_actions)
    : actions_(make_actions(*this)),
      app_(std::make_unique<CLI::App>("Hands out tracking phone numbers from ring pools over HTTP",
                                      "ringmaster")) {
    CLI::App& app = *app_;
    app.require_subcommand(1);
    app.footer(footer());
    app.set_help_flag("--help", "Tells how to use it");
    app.set_version_flag("--version", "ringmaster " RINGMASTER_VERSION, "Tells the version");

    CLI::App* serve = add(app, "serve", "Serves until it is told to stop", &actions_.serve);
    add_config(*serve);
    serve->add_flag("--daemonize", arguments_.daemonize,
                    "Goes to the background, and ends here when it is ready there, or has failed");
    add_config(*add(app, "check-config", "Tells what is wrong with a configuration",
                    &actions_.check_config));

    CLI::App* status =
        add(app, "status", "Tells how the shards of a running daemon stand", &actions_.status);
    add_supervisor(*status);
    add_json(*status);
    add_supervisor(
        *add(app, "stop", "Drains a running daemon, and waits for its end", &actions_.stop));
    add_supervisor(*add(app, "reload",
                        "Has a running daemon apply its configuration's pools, and waits for that",
                        &actions_.reload));
    add_supervisor(*add(app, "restart",
                        "Restarts the shards of a running daemon one by one, with the program and "
                        "the configuration that are on the disk now, and waits for that",
                        &actions_.restart));

    CLI::App* pools = add(app, "pools", "Administers the pools of a running daemon", nullptr);
    const auto add_pool_command = [&](const char* name, const char* what,
                                      const CommandActions::Action* action) {
        CLI::App* command = add(*pools, name, what, action);
        command->add_option("POOL", arguments_.pool, "The id of the pool")
            ->required()
            ->type_name("");
        add_daemon(*command);
        return command;
    };
    add_daemon(*add(*pools, "list", "Lists all pools and how they stand", &actions_.list_pools));
    add_pool_command("show", "Shows one pool", &actions_.show_pool);
    add_pool_command("put", "Creates a pool, or changes its definition", &actions_.put_pool)
        ->add_option("--file", arguments_.file,
                     "The definition as a JSON object by the names of the configuration; - reads "
                     "standard input")
        ->required()
        ->type_name("FILE");
    add_pool_command("delete", "Deletes a pool", &actions_.delete_pool);
    CLI::App* import =
        add_pool_command("import", "Adds the numbers of a file to a pool", &actions_.import_pool);
    import->add_option("FILE", arguments_.file, "A number a line, or CSV; - reads standard input")
        ->required()
        ->type_name("");
    import->add_flag("--replace", arguments_.replace,
                     "Removes from the pool all numbers that are not in the file");
    import->add_flag("--skip-invalid", arguments_.skip_invalid,
                     "Leaves out what is refused instead of changing nothing");
    add_pool_command("export", "Writes the numbers of a pool, one a line", &actions_.export_pool)
        ->add_flag("--csv", arguments_.csv, "Writes number,formatted,state");

    add_daemon(*add(app, "advise",
                    "Tells how many numbers each pool needs, from the demand of the last days",
                    &actions_.advise));
    add_analyze(app);

    CLI::App* numbers = add(app, "numbers", "Asks a running daemon about numbers", nullptr);
    const auto add_number_command = [&](const char* name, const char* what,
                                        const CommandActions::Action* action) {
        CLI::App* command = add(*numbers, name, what, action);
        command->add_option("NUMBER", arguments_.number, "The telephone number")
            ->required()
            ->type_name("");
        return command;
    };
    CLI::App* who = add_number_command("who", "Tells who has or had a number", &actions_.who);
    who->add_option("--at", arguments_.at,
                    "The time asked for, e.g. 2026-11-21T17:31:05Z or Unix seconds; without it, "
                    "now")
        ->type_name("TIME");
    who->add_option("--history", arguments_.history, "Tells the last N holders, newest first")
        ->type_name("N");
    add_daemon(*who);
    CLI::App* release =
        add_number_command("release", "Ends a session's time with its number", &actions_.release);
    release->add_option("--pool", arguments_.pool, "The id of the pool")
        ->required()
        ->type_name("POOL");
    release->add_option("--session", arguments_.session, "The session that has it")
        ->required()
        ->type_name("SESSION");
    add_daemon(*release);

    CLI::App* erase =
        add(app, "erase", "Releases what a session holds and erases it from the history",
            &actions_.erase);
    erase->add_option("SESSION", arguments_.session, "The session")->required()->type_name("");
    add_daemon(*erase);

    CLI::App* journal = add(app, "journal", "Reads the files of the store", nullptr);
    const auto add_journal_command = [&](const char* name, const char* what,
                                         const CommandActions::Action* action) {
        CLI::App* command = add(*journal, name, what, action);
        add_data_dir(*command);
        add_config(*command);
        add_json(*command);
    };
    add_journal_command("verify", "Tells whether they are whole", &actions_.verify_journal);
    add_journal_command("dump", "Writes a line for each record; as JSON, an object a line",
                        &actions_.dump_journal);

    add_replay(app);

    CLI::App* migrate = add(app, "migrate", "Moves all pools to another store, and verifies that",
                            &actions_.migrate);
    constexpr const char* kStore =
        "a data directory, a Redis URL, or @FILE with the URL in its first line";
    migrate->add_option("--from", arguments_.from, std::string("Where they are: ") + kStore)
        ->required()
        ->type_name("STORE");
    migrate
        ->add_option("--to", arguments_.to, std::string("Where they go, and nothing is: ") + kStore)
        ->required()
        ->type_name("STORE");
    migrate->add_option("--prefix", arguments_.prefix, "Of all keys in Redis")
        ->type_name("WORD")
        ->capture_default_str();
    add_json(*migrate);

    add(app, "completion", "Writes a script that completes this command line in a shell",
        &actions_.completion)
        ->add_option("SHELL", arguments_.shell, "Which shell")
        ->required()
        ->type_name("one of")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    add(app, "man", "Writes the manual page, for man -l", &actions_.man);
}

CommandLine::~CommandLine() = default;

CLI::App* CommandLine::add(CLI::App& parent, const char* name, const char* what,
                           const CommandActions::Action* action) {
    CLI::App* command = parent.add_subcommand(name, what);
    if (action == nullptr) {
        command->require_subcommand(1);
    } else {
        command->parse_complete_callback([this, action] { chosen_ = action; });
    }
    return command;
}

void CommandLine::add_config(CLI::App& command) {
    arguments_.config = "ringmaster.toml";
    command.add_option("--config", arguments_.config, "The configuration file")
        ->capture_default_str()
        ->type_name("FILE");
}

void CommandLine::add_daemon(CLI::App& command) {
    add_config(command);
    command
        .add_option("--url", arguments_.url,
                    "Where the daemon listens, http://HOST:PORT; then no configuration is read")
        ->type_name("URL");
    command
        .add_option("--token-file", arguments_.token_file,
                    "A file whose first line is the admin token")
        ->type_name("FILE");
    add_json(command);
}

void CommandLine::add_supervisor(CLI::App& command) {
    add_config(command);
    command
        .add_option("--run-dir", arguments_.run_dir,
                    "Where the daemon's Unix sockets are; without it, where the configuration says")
        ->type_name("DIR");
}

void CommandLine::add_json(CLI::App& command) {
    command.add_flag("--json", arguments_.json, "Writes JSON, for programs");
}

void CommandLine::add_data_dir(CLI::App& command) {
    command
        .add_option("--data-dir", arguments_.data_dir,
                    "Where the files lie; without it, where the configuration says")
        ->type_name("DIR");
}

void CommandLine::add_analyze(CLI::App& app) {
    CLI::App* analyze = add(app, "analyze",
                            "Tells where requests spend their time, how busy the shards are, and "
                            "what would help: of a running daemon, or of what it has recorded",
                            &actions_.analyze);
    analyze
        ->add_option("FILE", arguments_.files,
                     "Recorded profiles, or directories of such; without, a daemon is asked")
        ->type_name("");
    add_bounded(*analyze, "--seconds", arguments_.seconds, 0, 86'400,
                "How long a daemon is watched; 0: what it has measured since its start", "S")
        ->capture_default_str();
    add_bounded(*analyze, "--reserve", arguments_.reserve_percent, 0, 1'000,
                "How much more load the shards should bear, in percent", "P")
        ->capture_default_str();
    analyze->add_option("--html", arguments_.html, "Also writes a page with plots")
        ->type_name("FILE");
    analyze->add_option("--from", arguments_.from, "Of recorded profiles, those from then on")
        ->type_name("TIME");
    analyze->add_option("--to", arguments_.to, "And those up to then")->type_name("TIME");
    add_daemon(*analyze);
}

void CommandLine::add_replay(CLI::App& app) {
    CLI::App* replay = add(app, "replay",
                           "Tells what would have come of the requests in the journal had the "
                           "pools been others; reads the store's files and changes nothing",
                           &actions_.replay);
    replay->add_option("--pool", arguments_.pools, "The id of a pool; may be given several times")
        ->type_name("POOL")
        ->allow_extra_args(false);
    const auto add_count = [&](const char* name, std::optional<std::uint32_t>& value,
                               std::uint32_t least, std::uint32_t most, const char* what,
                               const char* type) {
        return add_bounded(*replay, name, value, least, most, what, type);
    };
    constexpr std::uint32_t kDay = 86'400;
    CLI::Option* numbers = add_count("--numbers", arguments_.numbers, 1, 1u << 24,
                                     "So many numbers in each pool", "N");
    add_count("--numbers-percent", arguments_.numbers_percent, 1, 10'000,
              "So many of each pool's numbers, in percent of those it had", "P")
        ->excludes(numbers);
    add_count("--lifetime", arguments_.lifetime_seconds, 1, 30 * kDay, "Another lifetime, seconds",
              "S");
    add_count("--cooldown", arguments_.cooldown_seconds, 0, 30 * kDay, "Another cool-down, seconds",
              "S");
    add_count("--max-hold", arguments_.max_hold_seconds, 0, 365 * kDay,
              "Another longest hold, seconds; 0 is none", "S");
    replay
        ->add_option("--from", arguments_.from,
                     "Counts from then on, e.g. 2026-11-21T17:31:05Z or Unix seconds; what came "
                     "before decides who has what")
        ->type_name("TIME");
    replay->add_option("--to", arguments_.to, "Stops there")->type_name("TIME");
    add_data_dir(*replay);
    add_config(*replay);
    add_json(*replay);
}

ExitCode CommandLine::run(int argc, const char* const* argv) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app_->exit(error) == 0 ? kDone : kUsage;
    }
    return (*chosen_)(arguments_);
}

}  // namespace ringmaster::app
