#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/journal_reader.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace ringmaster::store {

/// One record as it stands in a file. The texts of `hold` are valid during the call only.
struct InspectedRecord {
    std::optional<AdoptRecord> adopt;  ///< of type adopt; the one that is aligned to more
    std::filesystem::path file;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    JournalPosition position = 0;
    RecordType type{};
    std::optional<HoldRecord> hold;      ///< of type hold
    std::optional<TimesRecord> times;    ///< of types touch and release
    JournalPosition durable_before = 0;  ///< of types sync and gap
};

/// Something in the files that is not as it should be.
struct InspectionFinding {
    /// False: a torn tail, which the next start cuts off; the end of what was given up when the
    /// disk failed; a file that was not finished; an erasure that the next start completes.
    bool damage = false;
    std::filesystem::path file;
    std::uint64_t offset = 0;
    std::string what;  ///< for people
    bool torn_tail = false;
};

/// What is to be told of a segment that stops making sense at `offset`, or ends there, without
/// having been sealed; nothing where that is in good order. `files` are those of its stream.
/// ErrorCode::unavailable where a later one can't be read.
Result<std::optional<InspectionFinding>> find_at_end(const std::filesystem::path& shard,
                                                     const ShardFiles& files,
                                                     const LoadedSegment& segment,
                                                     std::uint32_t offset);

/// What was seen.
struct InspectionSummary {
    std::uint32_t segments = 0;
    std::uint32_t snapshots = 0;
    std::uint64_t bytes = 0;
    std::array<std::uint64_t, kRecordTypes> records{};  ///< by RecordType
    std::uint32_t damages = 0;
    std::uint32_t torn_tails = 0;
};

/// Called while files are read; each may be empty.
struct InspectionVisitor {
    std::function<void(const InspectedRecord&)> on_record;
    std::function<void(const InspectionFinding&)> on_finding;
    /// Now and then.
    std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> on_progress;
};

/// Reads the layout and every segment and snapshot of all streams in a data directory, one stream
/// after the other, each oldest first. Changes nothing and takes no
/// lock: beside a running daemon it sees a state that the files were in, the newest records perhaps
/// not. Blocks. Fails with ErrorCode::not_found where there is no such directory, and
/// ErrorCode::unavailable where a file can't be read; damage is told to `visitor`, not as an error.
Result<InspectionSummary> inspect_journal(const std::filesystem::path& data_dir,
                                          const InspectionVisitor& visitor);

}  // namespace ringmaster::store
