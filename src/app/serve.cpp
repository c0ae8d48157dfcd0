#include "ringmaster/app/serve.hpp"

#include "ringmaster/app/daemonize.hpp"
#include "ringmaster/app/estate.hpp"
#include "ringmaster/app/handover.hpp"
#include "ringmaster/app/logger.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/pid_file.hpp"
#include "ringmaster/base/clock.hpp"

#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

/// One descriptor for each socket of each shard may be more than the usual soft limit.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void remove_sockets(const Config& config, std::size_t shards) {
    for (shard::ShardIndex i = 0; i < shards; ++i) ::unlink(peer_path(config.run_dir, i).c_str());
    ::unlink(control_path(config.run_dir).c_str());
}

/// Everything from the log on, when it is clear which process will be the supervisor.
class Serving {
  public:
    Serving(const ServeOptions& options, Config config, std::optional<Daemonizer> daemonizer)
        : options_(options),
          config_(std::move(config)),
          daemonizer_(std::move(daemonizer)),
          log_(config_.log, clock_, "supervisor") {}

    /// As the first program of this process.
    ExitCode start() {
        NumberFiles numbers = read_number_files(config_.pools);
        for (const std::string& warning : numbers.warnings) log_.warning(warning);
        for (const std::string& problem : numbers.problems) fail(problem);
        if (!numbers.problems.empty()) return kFailed;
        return supervise(prepare(config_, clock_, log_), [&](Supervisor& supervisor) {
            return supervisor.run(std::move(numbers));
        });
    }

    ExitCode go_on(const Handover& handover) {
        const std::string kept = keep_settings(handover.settings, config_);
        if (!kept.empty()) {
            log_.warning("a change of " + kept +
                         " takes effect when the daemon is stopped and started");
        }
        auto estate = inherit(handover);
        if (estate) estate->sockets.set_backlog(config_.server.backlog);
        return supervise(std::move(estate),
                         [&](Supervisor& supervisor) { return supervisor.run(handover); });
    }

  private:
    ExitCode fail(const std::string& why) {
        log_.error(why);
        tell(why);
        return kFailed;
    }
    /// Those who started it.
    void tell(const std::string& why) {
        if (daemonizer_) {
            daemonizer_->tell(kFailed, why);
        } else if (!config_.log.file.empty()) {
            std::cerr << why << std::endl;
        }
    }

    template <class Run>
    ExitCode supervise(Result<Estate> estate, Run&& run) {
        if (!estate) return fail(estate.error().message);
        const auto pid_file = PidFile::write(config_.pid_file);
        if (!pid_file) return fail(pid_file.error().message);
        const auto on_ready = [&] {
            if (daemonizer_) daemonizer_->tell(kDone, "");
        };
        Supervisor supervisor(config_, *estate, {options_.program, options_.run_shard, on_ready},
                              log_, clock_);
        const ExitCode status = run(supervisor);
        remove_sockets(config_, estate->shards());
        if (!supervisor.failure().empty()) tell(supervisor.failure());  // the log has it already
        log_.info("stopped");
        return status;
    }

    const ServeOptions& options_;
    Config config_;
    std::optional<Daemonizer> daemonizer_;
    SystemClock clock_;
    DirectLog log_;
};

ExitCode failed(const std::string& why) {
    std::cerr << why << std::endl;
    return kFailed;
}

}  // namespace

ExitCode serve(const ServeOptions& options) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto handover = receive_handover();
    if (!handover) return failed(handover.error().message);
    // A daemon goes to the root directory.
    ServeOptions with_paths = options;
    if (options.daemonize) {
        with_paths.config = std::filesystem::absolute(options.config);
        with_paths.program = std::filesystem::absolute(options.program);
    }
    auto config = load_config(with_paths.config);
    if (!config) return failed(config.error().message);
    if (options.daemonize && config->log.file.empty()) {
        return failed("--daemonize needs a log: [log] file is \"\"; expected a path");
    }
    raise_descriptor_limit();
    std::optional<Daemonizer> daemonizer;
    if (options.daemonize) {
        auto forked = Daemonizer::fork();
        if (!forked) return failed(forked.error().message);
        daemonizer.emplace(*std::move(forked));
    }
    try {
        Serving serving(with_paths, *std::move(config), std::move(daemonizer));
        return *handover ? serving.go_on(**handover) : serving.start();
    } catch (const std::exception& error) {
        return failed(error.what());
    }
}

}  // namespace ringmaster::app
