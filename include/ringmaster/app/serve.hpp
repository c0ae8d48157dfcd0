#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/supervisor.hpp"

#include <filesystem>

namespace ringmaster::app {

struct ServeOptions {
    std::filesystem::path program;  ///< this one, where it lies on the disk
    std::filesystem::path config;
    bool daemonize = false;  ///< go to the background, and return when it is ready there
    RunShard run_shard;
};

/// The command `serve`: supervises the shards until it is told to stop. Where the environment names
/// what another program has handed over to this one, it goes on with that. To be called while there
/// are no threads.
ExitCode serve(const ServeOptions& options);

}  // namespace ringmaster::app
