#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/console.hpp"

#include <string>

namespace ringmaster::app {

struct MigrateOptions {
    /// A directory of the embedded store, a URL that parse_redis_url() reads, or "@FILE" for one in
    /// the first line of a file.
    std::string from;
    std::string to;
    std::string prefix;  ///< of all keys in Redis
    bool json = false;
};

/// Moves all pools from one store to another, which must be empty, reads both again and compares
/// them. No daemon may use either; that none uses a directory is made sure, that none uses Redis is
/// not. The source is left as it was. Told on standard error where that is a terminal: how far it
/// has come. kNotFound where there is no such source.
ExitCode migrate_store(const MigrateOptions& options, Console& console);

}  // namespace ringmaster::app
