#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/replay/pool_replay.hpp"
#include "ringmaster/store/journal_inspection.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::replay {

struct ReplayOptions {
    std::vector<std::string> pools{};  ///< their ids; none: all
    Changes changes{};
    /// What is counted, of the store's clock, the end not included. What came before is replayed
    /// all the same: it decides who has what.
    std::optional<WallTime> from{};
    std::optional<WallTime> to{};
};

/// Called while files are read; each may be empty.
struct ReplayVisitor {
    std::function<void(const store::InspectionFinding&)> on_finding;
    /// Now and then.
    std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> on_progress;
};

struct ReplayReport {
    std::vector<PoolReport> pools;  ///< those that were asked for, in order of id
    /// Of the first and the last request that was counted, of any pool; zero where there was none.
    WallTime begin{};
    WallTime end{};
    bool has_begin = true;       ///< see RequestLog::has_begin()
    std::uint64_t left_out = 0;  ///< see RequestLog::left_out()
    std::uint32_t damages = 0;   ///< what is behind each, up to the segment's end, is not replayed
};

/// Has what the journals in a data directory say was asked of the pools answered by other pools.
/// Reads as RequestLog does. ErrorCode::not_found where there is no such directory or pool. Takes
/// some 400 bytes for each number, recorded and replayed, and 1 MiB at most for each pool's
/// sessions, however long the journal is.
Result<ReplayReport> replay(const std::filesystem::path& data_dir, const ReplayOptions& options,
                            const ReplayVisitor& visitor);

}  // namespace ringmaster::replay
