#include "ringmaster/app/cli.hpp"

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/app/admin_commands.hpp"
#include "ringmaster/app/analyze_command.hpp"
#include "ringmaster/app/command_line.hpp"
#include "ringmaster/app/completion.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/config_check.hpp"
#include "ringmaster/app/console.hpp"
#include "ringmaster/app/control_server.hpp"
#include "ringmaster/app/daemon_address.hpp"
#include "ringmaster/app/estate.hpp"
#include "ringmaster/app/handover.hpp"
#include "ringmaster/app/journal_commands.hpp"
#include "ringmaster/app/man_page.hpp"
#include "ringmaster/app/migrate_command.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/app/replay_command.hpp"
#include "ringmaster/app/serve.hpp"
#include "ringmaster/app/shard_process.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

constexpr std::size_t kMaxFileBytes = 512 * 1024 * 1024;

/// Where the environment names what a supervisor would hand over to this program, also whether that
/// could go on with it.
ExitCode check(const std::string& file, Console& console) {
    const auto handover = receive_handover();
    if (!handover) return fail(console, handover.error());
    if (*handover) {
        if (const auto estate = inherit(**handover); !estate) return fail(console, estate.error());
    }
    return check_config(file, console) ? kDone : kFailed;
}

CommandActions::Action with_supervisor(Console& console, ControlCommand command) {
    return [&console, command](const CommandArguments& arguments) {
        const auto run_dir = find_run_dir(arguments.config, arguments.run_dir);
        if (!run_dir) return fail(console, run_dir.error());
        const bool as_json = command == ControlCommand::status && arguments.json;
        auto answer = ask_supervisor(*run_dir, as_json ? ControlCommand::status_json : command);
        if (!answer) return fail(console, answer.error());
        if (!answer->ends_with('\n')) *answer += '\n';
        console.out << *answer;
        return kDone;
    };
}

/// The content of a file, or of standard input for "-".
Result<std::string> read_input(const std::string& file) {
    return read_file(file == "-" ? "/dev/stdin" : file, kMaxFileBytes);
}

/// What is done with the daemon that the arguments name.
CommandActions::Action with_client(
    Console& console, std::function<ExitCode(const AskAdmin&, const CommandArguments&)> command) {
    return [&console, command = std::move(command)](const CommandArguments& arguments) {
        const char* const token = std::getenv("RINGMASTER_TOKEN");
        const auto address =
            find_daemon({.config = arguments.config,
                         .url = arguments.url,
                         .token_file = arguments.token_file,
                         .environment_token =
                             token != nullptr ? std::optional<std::string>(token) : std::nullopt});
        if (!address) return fail(console, address.error());
        AdminClient client(*address);
        return command([&](const AdminRequest& request) { return client.ask(request); }, arguments);
    };
}

using AdminCommand = std::function<ExitCode(AdminCommands&, const CommandArguments&)>;

CommandActions::Action with_daemon(Console& console, AdminCommand command) {
    return with_client(console, [&console, command = std::move(command)](
                                    const AskAdmin& ask, const CommandArguments& arguments) {
        AdminCommands commands(ask, console, arguments.json);
        return command(commands, arguments);
    });
}

/// The same with the content of the file that the arguments name.
AdminCommand with_input(
    Console& console,
    std::function<ExitCode(AdminCommands&, const CommandArguments&, const std::string&)> command) {
    return [&console, command = std::move(command)](AdminCommands& commands,
                                                    const CommandArguments& arguments) {
        const auto text = read_input(arguments.file);
        if (!text) return fail(console, text.error());
        return command(commands, arguments, *text);
    };
}

/// What is done with the store's files that the arguments name.
CommandActions::Action with_data_dir(
    Console& console,
    std::function<ExitCode(const std::filesystem::path&, const CommandArguments&)> command) {
    return [&console, command = std::move(command)](const CommandArguments& arguments) {
        if (!arguments.data_dir.empty()) return command(arguments.data_dir, arguments);
        const auto config = load_config(arguments.config);
        if (!config) return fail(console, config.error());
        return command(config->store.directory, arguments);
    };
}

/// As the command line has it.
ReplaySettings replay_settings(const CommandArguments& arguments) {
    return {.pools = arguments.pools,
            .numbers = arguments.numbers,
            .numbers_percent = arguments.numbers_percent,
            .lifetime_seconds = arguments.lifetime_seconds,
            .cooldown_seconds = arguments.cooldown_seconds,
            .max_hold_seconds = arguments.max_hold_seconds,
            .from = arguments.from,
            .to = arguments.to,
            .json = arguments.json};
}

AnalyzeSettings analyze_settings(const CommandArguments& arguments) {
    return {.files = arguments.files,
            .from = arguments.from,
            .to = arguments.to,
            .seconds = arguments.seconds,
            .reserve_percent = arguments.reserve_percent,
            .html = arguments.html,
            .json = arguments.json};
}

/// Of files where some are named, else of the daemon.
CommandActions::Action analyze(Console& console) {
    return [&console](const CommandArguments& arguments) {
        const AnalyzeSettings settings = analyze_settings(arguments);
        if (!settings.files.empty()) return analyze_files(settings, console);
        return with_client(console, [&](const AskAdmin& ask, const CommandArguments&) {
            return analyze_daemon(ask, settings, console);
        })(arguments);
    };
}

/// Where this program lies, so that the one that has taken its place there can be run. A name with
/// a slash may be a link, which is to be followed then.
std::filesystem::path program_path(const char* name) {
    std::error_code error;
    if (std::string_view(name).find('/') != std::string_view::npos) {
        return std::filesystem::absolute(name, error);
    }
    return std::filesystem::read_symlink("/proc/self/exe", error);
}

CommandActions actions(Console& console, const CommandLine& line,
                       const std::filesystem::path& program) {
    const auto daemon = [&](AdminCommand command) {
        return with_daemon(console, std::move(command));
    };
    return {
        .serve =
            [program](const CommandArguments& a) {
                return serve({.program = program,
                              .config = a.config,
                              .daemonize = a.daemonize,
                              .run_shard = run_shard});
            },
        .check_config = [&](const CommandArguments& a) { return check(a.config, console); },
        .status = with_supervisor(console, ControlCommand::status),
        .stop = with_supervisor(console, ControlCommand::stop),
        .reload = with_supervisor(console, ControlCommand::reload),
        .restart = with_supervisor(console, ControlCommand::restart),
        .list_pools = daemon([](AdminCommands& c, const auto&) { return c.list_pools(); }),
        .show_pool = daemon([](AdminCommands& c, const auto& a) { return c.show_pool(a.pool); }),
        .put_pool =
            daemon(with_input(console, [](AdminCommands& c, const auto& a,
                                          const auto& text) { return c.put_pool(a.pool, text); })),
        .delete_pool =
            daemon([](AdminCommands& c, const auto& a) { return c.delete_pool(a.pool); }),
        .import_pool = daemon(with_input(console,
                                         [](AdminCommands& c, const auto& a, const auto& text) {
                                             return c.import_numbers(
                                                 {.pool = a.pool,
                                                  .file = a.file,
                                                  .replace = a.replace,
                                                  .skip_invalid = a.skip_invalid},
                                                 text);
                                         })),
        .export_pool =
            daemon([](AdminCommands& c, const auto& a) { return c.export_numbers(a.pool, a.csv); }),
        .advise = daemon([](AdminCommands& c, const auto&) { return c.advise(); }),
        .analyze = analyze(console),
        .who = daemon(
            [](AdminCommands& c, const auto& a) { return c.who(a.number, a.at, a.history); }),
        .release = daemon(
            [](AdminCommands& c, const auto& a) { return c.release(a.number, a.pool, a.session); }),
        .erase = daemon([](AdminCommands& c, const auto& a) { return c.erase(a.session); }),
        .verify_journal = with_data_dir(console,
                                        [&](const auto& directory, const auto& a) {
                                            return verify_journal(directory, console, a.json);
                                        }),
        .dump_journal = with_data_dir(console,
                                      [&](const auto& directory, const auto& a) {
                                          return dump_journal(directory, console, a.json);
                                      }),
        .migrate =
            [&](const CommandArguments& a) {
                return migrate_store(
                    {.from = a.from, .to = a.to, .prefix = a.prefix, .json = a.json}, console);
            },
        .replay = with_data_dir(console,
                                [&](const auto& directory, const auto& a) {
                                    return replay_journal(directory, replay_settings(a), console);
                                }),
        .completion =
            [&](const CommandArguments& a) {
                console.out << (a.shell == "bash"  ? bash_completion(line.tree())
                                : a.shell == "zsh" ? zsh_completion(line.tree())
                                                   : fish_completion(line.tree()));
                return kDone;
            },
        .man =
            [&](const CommandArguments&) {
                console.out << man_page(line.tree(), RINGMASTER_VERSION,
                                        CommandLine::manual_sections());
                return kDone;
            },
    };
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): loses sight of what a std::function owns

}  // namespace

ExitCode run(int argc, const char* const* argv) {
    std::ios::sync_with_stdio(false);
    Console console{std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
    const std::filesystem::path program = program_path(argc > 0 ? argv[0] : "");
    CommandLine line([&](const CommandLine& self) { return actions(console, self, program); });
    const ExitCode code = line.run(argc, argv);
    // Where the reader has gone or the disk is full, the answer was not given.
    if (!std::cout.flush() && code == kDone) {
        std::cerr << "the output can't be written\n";
        return kFailed;
    }
    return code;
}

}  // namespace ringmaster::app
