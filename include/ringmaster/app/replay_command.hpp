#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/console.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::app {

/// What the command line says of a replay; nothing, or empty: as it was, or all.
struct ReplaySettings {
    std::vector<std::string> pools;
    std::optional<std::uint32_t> numbers;
    std::optional<std::uint32_t> numbers_percent;
    std::optional<std::uint32_t> lifetime_seconds;
    std::optional<std::uint32_t> cooldown_seconds;
    std::optional<std::uint32_t> max_hold_seconds;
    std::string from;  ///< ISO 8601 or Unix seconds
    std::string to;
    bool json = false;
};

/// Has the requests in the journal of `data_dir` answered by other pools, and tells how those fare
/// beside how it was. Beside a running daemon too. Damage is told by file and offset; then kFailed,
/// with what the rest of the journal comes to. kNotFound where there is no such directory or pool,
/// kUsage for a time that makes no sense. How far it has come is told on a terminal.
ExitCode replay_journal(const std::filesystem::path& data_dir, const ReplaySettings& settings,
                        Console& console);

}  // namespace ringmaster::app
