#include "ringmaster/app/cli.hpp"

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/app/admin_commands.hpp"
#include "ringmaster/app/command_line.hpp"
#include "ringmaster/app/completion.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/console.hpp"
#include "ringmaster/app/daemon_address.hpp"
#include "ringmaster/app/journal_commands.hpp"
#include "ringmaster/app/logger.hpp"
#include "ringmaster/app/man_page.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/app/service.hpp"
#include "ringmaster/base/clock.hpp"

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

constexpr std::size_t kMaxFileBytes = 512 * 1024 * 1024;

/// Refused numbers are only warnings: one bad line must not keep all pools from being served.
ExitCode check_config(const std::string& file) {
    const auto config = load_config(file);
    if (!config) {
        std::cerr << config.error().message << '\n';
        return kFailed;
    }
    const NumberFiles numbers = read_number_files(config->pools);
    for (const std::string& warning : numbers.warnings) std::cerr << "warning: " << warning << '\n';
    for (const std::string& problem : numbers.problems) std::cerr << problem << '\n';
    if (!numbers.problems.empty()) return kFailed;
    std::cout << file << ": good; " << config->pools.size() << " pools, " << numbers.numbers
              << " numbers, " << numbers.refused << " refused\n";
    return kDone;
}

ExitCode serve(const std::string& file) {
    const auto config = load_config(file);
    if (!config) {
        std::cerr << config.error().message << '\n';
        return kFailed;
    }
    SystemClock clock;
    auto log = std::make_unique<Logger>(config->log, clock);
    const auto fail = [&](const std::string& why) {
        log->error(why);
        if (!config->log.file.empty()) std::cerr << why << '\n';
        return kFailed;
    };

    NumberFiles numbers = read_number_files(config->pools);
    for (const std::string& warning : numbers.warnings) log->warning(warning);
    for (const std::string& problem : numbers.problems) fail(problem);
    if (!numbers.problems.empty()) return kFailed;

    try {
        Service service(*config, clock, *log);
        if (service.serve(std::move(numbers)) == Service::Ending::orderly) return kDone;
        // Requests are still at work on what the destructors would take away from under them.
        log.reset();
        std::_Exit(kFailed);
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

/// The content of a file, or of standard input for "-".
Result<std::string> read_input(const std::string& file) {
    return read_file(file == "-" ? "/dev/stdin" : file, kMaxFileBytes);
}

ExitCode fail(Console& console, const Error& error) {
    console.err << error.message << '\n';
    return error.code == ErrorCode::not_found ? kNotFound : kFailed;
}

using AdminCommand = std::function<ExitCode(AdminCommands&, const CommandArguments&)>;

/// What is done with the daemon that the arguments name.
CommandActions::Action with_daemon(Console& console, AdminCommand command) {
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
        AdminCommands commands([&](const AdminRequest& request) { return client.ask(request); },
                               console, arguments.json);
        return command(commands, arguments);
    };
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

CommandActions::Action with_journal(Console& console,
                                    ExitCode (*command)(const std::filesystem::path&, Console&,
                                                        bool)) {
    return [&console, command](const CommandArguments& arguments) {
        if (!arguments.data_dir.empty()) {
            return command(arguments.data_dir, console, arguments.json);
        }
        const auto config = load_config(arguments.config);
        if (!config) return fail(console, config.error());
        return command(config->store.directory, console, arguments.json);
    };
}

CommandActions actions(Console& console, const CommandLine& line) {
    const auto daemon = [&](AdminCommand command) {
        return with_daemon(console, std::move(command));
    };
    return {
        .serve = [](const CommandArguments& a) { return serve(a.config); },
        .check_config = [](const CommandArguments& a) { return check_config(a.config); },
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
        .who = daemon(
            [](AdminCommands& c, const auto& a) { return c.who(a.number, a.at, a.history); }),
        .release = daemon(
            [](AdminCommands& c, const auto& a) { return c.release(a.number, a.pool, a.session); }),
        .erase = daemon([](AdminCommands& c, const auto& a) { return c.erase(a.session); }),
        .verify_journal = with_journal(console, verify_journal),
        .dump_journal = with_journal(console, dump_journal),
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
    CommandLine line([&](const CommandLine& self) { return actions(console, self); });
    const ExitCode code = line.run(argc, argv);
    // Where the reader has gone or the disk is full, the answer was not given.
    if (!std::cout.flush() && code == kDone) {
        std::cerr << "the output can't be written\n";
        return kFailed;
    }
    return code;
}

}  // namespace ringmaster::app
