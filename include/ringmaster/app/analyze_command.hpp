#pragma once

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/console.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster::app {

/// What the command line says of an analysis.
struct AnalyzeSettings {
    std::vector<std::string> files;  ///< as a daemon writes them, or directories of such
    std::string from;                ///< ISO 8601 or Unix seconds; empty: all. Only of files
    std::string to;
    std::uint32_t seconds = 10;  ///< for which a daemon is watched; 0: since its start
    std::uint32_t reserve_percent = 30;
    std::string html;  ///< a file for that besides; empty: none
    bool json = false;
};

/// Watches a running daemon for so many seconds, and tells where its requests spend their time, how
/// busy its shards are, and what would help. Blocks for as long.
ExitCode analyze_daemon(const AskAdmin& ask, const AnalyzeSettings& settings, Console& console);

/// The same of what daemons have recorded ([analysis] record). kUsage for a time that makes no
/// sense; a file that is no good is told, and nothing else.
ExitCode analyze_files(const AnalyzeSettings& settings, Console& console);

}  // namespace ringmaster::app
