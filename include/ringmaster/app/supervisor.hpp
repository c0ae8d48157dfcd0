#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/control_server.hpp"
#include "ringmaster/app/estate.hpp"
#include "ringmaster/app/handover.hpp"
#include "ringmaster/app/logger.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/service_notification.hpp"
#include "ringmaster/app/shard_fleet.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/store/disk.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace ringmaster::app {

/// What a shard's process does: run_shard(), but for tests.
using RunShard = std::function<int(const Config& config, const ShardSetup& setup,
                                   std::optional<NumberFiles> numbers)>;

struct SupervisorOptions {
    std::filesystem::path program;  ///< to be run in this one's place for a restart
    RunShard run_shard;
    std::function<void()> on_ready;  ///< called once, when all shards serve
};

/// The parent of all shards. ShardFleet decides what is to be done; this does it: forks, listens to
/// channels, signals and the control socket, and tells the shared page and the service manager how
/// the shards stand.
///
/// One loop around poll(2) without threads, for a process with threads can't be forked safely, and
/// nothing in it takes long: what does (reading the configuration) is a process of its own.
class Supervisor {
  public:
    /// Blocks the signals that it wants to be told of, for the life of the process. All that is
    /// passed by reference must outlive it.
    Supervisor(const Config& config, Estate& estate, SupervisorOptions options, DirectLog& log,
               const Clock& clock);
    ~Supervisor();

    /// Serves until it is told to stop, with the first shards; `numbers` are those of the
    /// configuration's files. kFailed where it can't start, or was stopped at once.
    ExitCode run(NumberFiles numbers);
    /// The same with the shards of the predecessor, in the middle of its restart.
    ExitCode run(const Handover& handover);
    /// Why it could not start; empty: it could.
    const std::string& failure() const noexcept { return fleet_.failure(); }

  private:
    struct Process {
        pid_t pid = 0;  ///< 0: there is none, or it is reaped
        store::UniqueFd channel;
        std::string heard;  ///< the beginning of a line
    };
    struct Check {
        pid_t pid = 0;
        store::UniqueFd output;
        std::string text;
    };

    ExitCode loop();
    void wait();
    void turn();
    void do_actions();
    void perform(const FleetAction& action);
    void fork_shard(shard::ShardIndex shard);
    ShardSetup setup_of(shard::ShardIndex shard, int channel);
    void tell(shard::ShardIndex shard, std::string_view word);
    void listen_to(shard::ShardIndex shard);
    void take_signals();
    void on_signal(int number);
    void reap();
    void reopen_log();
    void serve_clients();
    void publish();

    void start_check(bool of_program);
    int run_check(bool of_program, int handover_file);
    void read_check();
    void end_check(int wait_status);
    Handover hand_over();
    void run_program();

    const Config& config_;
    Estate& estate_;
    const SupervisorOptions options_;
    DirectLog& log_;
    const Clock& clock_;
    store::UniqueFd signals_;
    ServiceNotification notification_ = ServiceNotification::of_environment();
    ControlServer control_;
    ShardFleet fleet_;
    std::vector<Process> processes_;
    Check check_;
    std::optional<NumberFiles> numbers_;  ///< until the first shards serve
    bool was_ready_ = false;
    std::optional<ExitCode> ended_;
};

}  // namespace ringmaster::app
