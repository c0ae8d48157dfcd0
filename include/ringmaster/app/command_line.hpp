#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/man_page.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ringmaster::app {

/// Everything that the command line can say; each command uses its part.
struct CommandArguments {
    std::string config;
    std::string url;
    std::string token_file;
    std::string data_dir;
    std::string run_dir;
    bool daemonize = false;
    bool json = false;

    std::string pool;
    std::string file;
    bool csv = false;
    bool replace = false;
    bool skip_invalid = false;
    std::string number;
    std::string at;
    std::optional<std::size_t> history;
    std::string session;
    std::string shell;
    std::string from;
    std::string to;
    std::string prefix = "ringmaster";

    std::vector<std::string> files;
    std::uint32_t seconds = 10;
    std::uint32_t reserve_percent = 30;
    std::string html;

    std::vector<std::string> pools;
    std::optional<std::uint32_t> numbers;
    std::optional<std::uint32_t> numbers_percent;
    std::optional<std::uint32_t> lifetime_seconds;
    std::optional<std::uint32_t> cooldown_seconds;
    std::optional<std::uint32_t> max_hold_seconds;
};

/// What each command does.
struct CommandActions {
    using Action = std::function<ExitCode(const CommandArguments&)>;
    Action serve, check_config;
    Action status, stop, reload, restart;
    Action list_pools, show_pool, put_pool, delete_pool, import_pool, export_pool;
    Action advise, analyze;
    Action who, release, erase;
    Action verify_journal, dump_journal;
    Action migrate;
    Action replay;
    Action completion, man;
};

/// The tree of commands, from which help, completion and manual are made, and which reads the
/// command line.
class CommandLine {
  public:
    /// `make_actions` is given the command line itself: completion and manual are made from its
    /// tree.
    explicit CommandLine(const std::function<CommandActions(const CommandLine&)>& make_actions);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// Does what the arguments say. A wrong command line, and help, are told on the process's own
    /// streams.
    ExitCode run(int argc, const char* const* argv);

    const CLI::App& tree() const noexcept { return *app_; }
    /// What the manual has besides the tree.
    static const std::vector<ManualSection>& manual_sections();

  private:
    CLI::App* add(CLI::App& parent, const char* name, const char* what,
                  const CommandActions::Action* action);
    void add_config(CLI::App& command);
    void add_daemon(CLI::App& command);
    void add_supervisor(CLI::App& command);
    void add_json(CLI::App& command);
    void add_data_dir(CLI::App& command);
    void add_analyze(CLI::App& app);
    void add_replay(CLI::App& app);

    CommandActions actions_;
    CommandArguments arguments_;
    std::unique_ptr<CLI::App> app_;
    const CommandActions::Action* chosen_ = nullptr;
};

}  // namespace ringmaster::app
