#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/slot.hpp"
#include "ringmaster/store/journal_reader.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// Walks the chain of one number's hold records backwards, from stream to stream of a data
/// directory, and makes of it the holds that it tells of. All times are the store's own. To be used
/// by one thread at a time.
class ChainWalk {
  public:
    /// `slot` is what memory says of the number, and has a session. Up to `max` holds, which is not
    /// 0, that began at `at` or before.
    ChainWalk(const std::filesystem::path& root, ringpool::PhoneNumber number,
              const ringpool::Slot& slot, WallTime at, std::size_t max);

    /// Reads up to `records` records; blocks. Returns whether there is more to read.
    /// ErrorCode::damaged and ErrorCode::unavailable as RecordReader::read_hold().
    Result<bool> go_on(std::size_t records);
    /// Newest first. Precondition: go_on() returned false.
    std::vector<ringpool::Hold> holds() && { return std::move(holds_); }

  private:
    /// The hold whose records are being read.
    struct Current {
        ringpool::Hold hold;
        WallTime context_since = WallTime::max();
    };
    /// How the hold ended whose records come next. What is not known of its begin is taken to be
    /// its last touch.
    struct Ended {
        WallTime allocated_at;
        HoldTimes times;
    };
    Result<bool> step();
    Result<std::optional<HoldRecord>> read();
    bool leads_back(const HoldRecord& record);
    bool take(const HoldRecord& record);
    void begin(const HoldRecord& record);
    void choose_context(const HoldRecord& record);
    void finish();
    void add_lost();
    bool full() const noexcept { return holds_.size() == max_; }

    RecordReader reader_;
    const std::filesystem::path root_;
    const ringpool::PhoneNumber number_;
    const WallTime at_;
    const std::size_t max_;
    std::vector<ringpool::Hold> holds_;

    RecordLink link_;                   ///< to the next record
    WallTime since_ = WallTime::max();  ///< of the record that linked to it
    std::size_t crossings_ = 0;         ///< from stream to stream, since times last fell
    std::optional<Ended> end_;          ///< nothing: unknown
    std::optional<Current> current_;    ///< it has more records, unless they are lost
};

}  // namespace ringmaster::store
