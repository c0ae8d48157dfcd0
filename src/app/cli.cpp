#include "ringmaster/app/cli.hpp"

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/logger.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/service.hpp"
#include "ringmaster/base/clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

namespace ringmaster::app {
namespace {

constexpr const char* kFooter =
    "Signals of serve: TERM, INT and QUIT drain and stop, a second one stops at once; HUP is "
    "ignored.\n"
    "Exit status: 0 done; 1 failed: bad configuration, can't start, or stopped at once; 2 bad "
    "usage.";

void tell(std::FILE* stream, const std::string& text) {
    std::fprintf(stream, "%s\n", text.c_str());
}

/// Refused numbers are only warnings: one bad line must not keep all pools from being served.
ExitCode check_config(const std::string& file) {
    const auto config = load_config(file);
    if (!config) {
        tell(stderr, config.error().message);
        return kFailed;
    }
    const NumberFiles numbers = read_number_files(config->pools);
    for (const std::string& warning : numbers.warnings) tell(stderr, "warning: " + warning);
    for (const std::string& problem : numbers.problems) tell(stderr, problem);
    if (!numbers.problems.empty()) return kFailed;
    tell(stdout, file + ": good; " + std::to_string(config->pools.size()) + " pools, " +
                     std::to_string(numbers.numbers) + " numbers, " +
                     std::to_string(numbers.refused) + " refused");
    return kDone;
}

ExitCode serve(const std::string& file) {
    const auto config = load_config(file);
    if (!config) {
        tell(stderr, config.error().message);
        return kFailed;
    }
    SystemClock clock;
    auto log = std::make_unique<Logger>(config->log, clock);
    const auto fail = [&](const std::string& why) {
        log->error(why);
        if (!config->log.file.empty()) tell(stderr, why);
        return kFailed;
    };

    NumberFiles numbers = read_number_files(config->pools);
    for (const std::string& warning : numbers.warnings) log->warning(warning);
    for (const std::string& problem : numbers.problems) fail(problem);
    if (!numbers.problems.empty()) return kFailed;

    try {
        Service service(*config, std::move(numbers), clock, *log);
        if (service.serve() == Service::Ending::orderly) return kDone;
        // Requests are still at work on what the destructors would take away from under them.
        log.reset();
        std::_Exit(kFailed);
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

}  // namespace

ExitCode run(int argc, const char* const* argv) {
    CLI::App cli("Hands out tracking phone numbers from ring pools over HTTP.", "ringmaster");
    cli.require_subcommand(1);
    cli.footer(kFooter);
    cli.set_version_flag("--version", "ringmaster " RINGMASTER_VERSION);

    std::string file = "ringmaster.toml";
    const auto add_command = [&](const char* name, const char* what) {
        CLI::App* command = cli.add_subcommand(name, what);
        command->add_option("--config", file, "The configuration file")
            ->capture_default_str()
            ->type_name("FILE");
        return command;
    };
    add_command("serve", "Serves until it is told to stop");
    const CLI::App* check = add_command("check-config", "Tells what is wrong with a configuration");

    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return cli.exit(error) == 0 ? kDone : kUsage;
    }
    return check->parsed() ? check_config(file) : serve(file);
}

}  // namespace ringmaster::app
