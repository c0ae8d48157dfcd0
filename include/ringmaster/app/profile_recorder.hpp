#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/shard_profile.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/disk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace ringmaster::app {

struct ProfileOptions {
    bool record = false;
    std::filesystem::path directory;  ///< of the files of all shards
    std::chrono::milliseconds period{10'000};
    std::size_t max_bytes = 64 * 1024 * 1024;  ///< of the files of one shard, together
};

/// Writes what a shard measures of itself to files, period by period: appends to
/// `<directory>/shard-<index>.profile`; where that has half of max_bytes, it becomes
/// `shard-<index>.profile.old` in place of the one before. Nothing is synced: after a crash of the
/// machine the end may be missing, or no good. What cannot be written is told to the log, and is
/// part of the next period. Belongs to one reactor.
class ProfileRecorder {
  public:
    struct Parts {
        runtime::Scheduler& scheduler;
        runtime::HelperThread& helper;  ///< writes the files
        Log& log;
        store::Disk& disk;
        std::uint32_t shard;
        /// Since the shard's start; does not suspend.
        std::function<ops::ShardProfile()> take;
    };
    /// What is passed by reference must outlive this.
    ProfileRecorder(Parts parts, ProfileOptions options);

    /// Suspends. Records until stop() is called, also what there is then, and returns; at once
    /// where there is nothing to record.
    void run();
    void stop() noexcept { told_to_stop_.set(); }

  private:
    void record();
    Result<void> append(const std::string& text);
    Result<std::uint64_t> mend();
    Result<void> begin_file();
    Result<void> write(const std::string& text, std::uint64_t at);

    const Parts parts_;
    const ProfileOptions options_;
    const std::filesystem::path path_;
    std::optional<std::uint64_t> bytes_;  ///< of the file, all of them good; nothing: not known
    ops::ShardProfile recorded_;          ///< up to there
    std::string told_;                    ///< the problem that was told last
    runtime::Event told_to_stop_;
};

}  // namespace ringmaster::app
