#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/pool_files.hpp"
#include "ringmaster/store/segment_supply.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::migrate {

/// Makes the directory of an embedded store, for a daemon with any number of shards. It is built
/// beside its place, as <directory>.unfinished, and gets its name when all of it is on the disk.
///
/// A run that was interrupted keeps the pools that it had finished. A pool is finished when its
/// file is there, which is written last; before that, all that the journal says of it is made
/// durable, and the file `migration` tells where in the journal it begins and ends. So whoever goes
/// on cuts the journal off behind the last pool whose file is there. All calls block.
class DirectoryTarget final : public Target {
  public:
    /// All must outlive this. `segment_bytes` are as in EmbeddedStoreOptions.
    DirectoryTarget(store::Disk& disk, std::filesystem::path root, const Clock& clock, Log& log,
                    std::uint32_t segment_bytes = 64u << 20);

    /// In the directory the store's own time is civil. What was begun with another fingerprint is
    /// removed.
    Result<std::chrono::milliseconds> begin(const ringpool::SessionHasher::Key& secret,
                                            std::string_view fingerprint,
                                            std::chrono::milliseconds ahead) override;
    Result<Resumed> begin_pool(const ringpool::PoolDefinition& pool) override;
    Result<void> add(const ringpool::PoolDefinition& pool, std::span<const NumberImage> numbers,
                     std::uint64_t next) override;
    Result<void> finish() override;

  private:
    /// What is on the disk of a run that has not come to its end.
    struct Mark {
        std::string fingerprint;
        std::chrono::milliseconds ahead{0};
        std::string pool;                 ///< the last one that was finished, or was about to be
        store::JournalPosition from = 0;  ///< where what the journal says of it begins
        store::JournalPosition to = 0;    ///< and ends
    };
    Result<bool> open_unfinished();
    Result<void> write_mark() const;
    static std::optional<Mark> read_mark(const std::filesystem::path& unfinished);
    Result<void> begin_journal();
    Result<void> go_on_with_journal();
    Result<void> finish_pool();
    bool is_finished(std::string_view pool_id) const;
    Result<void> write_history(const ringpool::PoolDefinition& pool, const NumberImage& image);
    Result<store::JournalPosition> write_hold(const ringpool::PoolDefinition& pool,
                                              const NumberImage& image, std::size_t index,
                                              store::JournalPosition previous);
    Result<store::RecordPlace> place(std::size_t record_bytes);
    Result<void> next_segment();
    Result<void> seal_segment();
    Result<void> flush();
    Result<void> sync();
    store::JournalPosition position() const noexcept;

    const std::filesystem::path root_;
    const std::filesystem::path unfinished_;
    const Clock& clock_;
    Log& log_;
    const std::uint32_t segment_bytes_;
    store::Disk& disk_;
    Mark mark_;
    std::optional<store::DataDirectory> directory_;
    std::uint32_t stream_ = 0;
    std::optional<store::Segment> segment_;
    std::uint32_t next_segment_ = 0;
    std::uint32_t offset_ = 0;       ///< of the next record
    std::vector<std::byte> buffer_;  ///< what is not written yet; ends at offset_
    std::optional<ringpool::SessionHasher> hasher_;
    store::StoredPool pool_;  ///< in work
};

}  // namespace ringmaster::migrate
