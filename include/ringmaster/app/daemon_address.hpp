#pragma once

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/base/result.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace ringmaster::app {

/// What the command line and the environment say of the daemon to be asked.
struct DaemonOptions {
    std::filesystem::path config;                  ///< read only where `url` is empty
    std::string url;                               ///< "http://HOST:PORT"
    std::filesystem::path token_file;              ///< goes before the other two
    std::optional<std::string> environment_token;  ///< goes before the one of the configuration
};

/// Where the daemon is and the token to show it. Without a URL it is the one of the configuration:
/// where that listens on all addresses, it is asked on the loopback one. ErrorCode::invalid, with
/// what is expected, or why a file can't be read.
Result<AdminAddress> find_daemon(const DaemonOptions& options);

/// Where the daemon's Unix sockets are: `run_dir`, or where that is empty what the configuration
/// says. Errors as above.
Result<std::filesystem::path> find_run_dir(const std::filesystem::path& config,
                                           const std::filesystem::path& run_dir);

}  // namespace ringmaster::app
