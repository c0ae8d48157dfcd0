#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/pool_files.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace ringmaster::migrate {

/// What an embedded store has on the disk, whatever its number of shards. Keeps the directory
/// locked, and leaves everything in it that a daemon would find; what it would do at its start,
/// such as cutting off a torn tail, is done. All calls block.
class DirectorySource final : public Source {
  public:
    /// ErrorCode::not_found where there is no store; ErrorCode::unavailable where a daemon uses it,
    /// or the disk fails; ErrorCode::damaged where files are.
    static Result<std::unique_ptr<DirectorySource>> open(const std::filesystem::path& root,
                                                         const Clock& clock, Log& log);

    Result<ringpool::SessionHasher::Key> secret() override;
    std::string fingerprint() const override { return fingerprint_; }
    std::chrono::milliseconds ahead() const noexcept override { return ahead_; }
    void set_ahead(std::chrono::milliseconds ahead) noexcept override { ahead_ = ahead; }
    Result<std::vector<ringpool::PoolDefinition>> pools() override;
    Result<Page> numbers(const ringpool::PoolDefinition& pool, std::uint64_t from) override;

    /// Numbers in no pool of which a promise is still good. They can't be moved.
    Result<std::size_t> promised_strays();

  private:
    DirectorySource(store::DataDirectory directory, const Clock& clock)
        : directory_(std::move(directory)), clock_(clock) {}
    Result<void> recover(Log& log);
    Result<void> load(const std::string& id);
    Result<NumberImage> image_of(const store::StoredNumber& stored) const;

    store::Disk disk_;
    const store::DataDirectory directory_;
    const Clock& clock_;
    store::SlotMap slots_;
    std::string fingerprint_;
    WallTime hold_now_{};                      ///< of the store's clock, when this was opened
    std::chrono::milliseconds ahead_{};        ///< how far civil time was ahead of it
    std::optional<store::StoredPool> loaded_;  ///< the pool that was asked for last
};

}  // namespace ringmaster::migrate
