#pragma once

#include "ringmaster/base/result.hpp"

#include <filesystem>
#include <string>

namespace ringmaster::app {

/// A file that tells the process id of a daemon, for those who start and stop it by that. It says
/// nothing about whether the daemon runs: that is the business of the lock of its data directory.
class PidFile {
  public:
    /// Written as a whole, in place of one that a dead process has left; empty: there is none.
    /// ErrorCode::unavailable, with the reason. Blocks.
    static Result<PidFile> write(const std::filesystem::path& path);
    PidFile(PidFile&& other) noexcept;
    PidFile& operator=(PidFile&&) = delete;
    /// Removes it, in the process that has written it.
    ~PidFile();

  private:
    explicit PidFile(std::filesystem::path path);

    std::filesystem::path path_;
    int pid_;
};

}  // namespace ringmaster::app
