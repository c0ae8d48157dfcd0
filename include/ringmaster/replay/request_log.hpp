#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/store/journal_cursor.hpp"
#include "ringmaster/store/number_map.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmaster::replay {

/// A request that was answered with a number of a pool, or by which one was given back.
struct RecordedRequest {
    enum class Kind : std::uint8_t {
        begin,    ///< a hold begins
        go_on,    ///< it goes on, with the same context or another one
        release,  ///< it is given back
    };
    Kind kind = Kind::begin;
    WallTime at{};                 ///< of the store's clock
    ringpool::PoolIndex pool = 0;  ///< in RequestLog::pools()
    std::uint32_t number = 0;      ///< dense within the pool; less than RecordedPool::numbers
    /// Where the journal no longer says who it was, one that is nobody else's.
    ringpool::SessionHash session;
    ringpool::HoldEnd end;  ///< of the hold, as this request left it
    /// Who had the number before; zero: nobody, or the journal does not say. Of begin only.
    ringpool::SessionHash previous_session;
    /// Of begin: of the hold before; zero: nobody had it. Else of this one, as it stood before;
    /// zero: the journal does not say.
    ringpool::HoldEnd previous_end;
};

/// A pool that the directory has, or that the journal names.
struct RecordedPool {
    std::string id;
    std::optional<ringpool::PoolDefinition> definition;  ///< nothing: it has been deleted
    /// Those that it has, draining ones too, and those that it had when the journal named them so
    /// far: when numbers came and went the journal does not say.
    std::uint32_t numbers = 0;
    std::uint32_t gone = 0;  ///< of those, how many it has no more, or that drain
};

/// What the journals of all streams say was asked of the pools, in the order in which it was. The
/// journal has neither requests that were answered with an overflow number nor those that asked
/// again for a number that max_hold no longer prolonged; nor what is older than retention.
///
/// Each stream is in order of time by itself, and all go by one clock, so the streams are merged by
/// it; at equal times a lower stream goes first, which is where a pool was before it moved. Of each
/// number it is kept who has it, because a touch in the journal tells the number only. Changes
/// nothing and takes no lock, like JournalCursor. Blocks.
class RequestLog {
  public:
    /// `on_finding` is called for whatever in the journal is not in good order.
    /// ErrorCode::not_found where there is no such directory, ErrorCode::damaged where a pool's
    /// file is, ErrorCode::unavailable where a file can't be read.
    static Result<RequestLog> open(const std::filesystem::path& data_dir,
                                   const store::JournalCursor::OnFinding& on_finding);

    /// The next request, valid until the next call; null behind the last one.
    /// ErrorCode::unavailable where a file can't be read.
    Result<const RecordedRequest*> next();

    const std::vector<RecordedPool>& pools() const noexcept { return pools_; }
    /// Whether the journal goes back to the begin of the store.
    bool has_begin() const noexcept { return has_begin_; }
    /// Requests of a hold whose begin is in no segment that is left, where the number is in no
    /// pool either: they are left out.
    std::uint64_t left_out() const noexcept { return left_out_; }
    std::uint64_t done_bytes() const noexcept;
    std::uint64_t all_bytes() const noexcept;

  private:
    static constexpr ringpool::PoolIndex kNoPool = 0xffffffff;
    /// A place in a pool.
    struct Place {
        ringpool::PoolIndex pool = kNoPool;
        std::uint32_t index = 0;
    };
    struct NumberState {
        ringpool::SessionHash session;  ///< zero: not known
        ringpool::HoldEnd end;          ///< so is this
        Place home;                     ///< where the pools' files have it
        Place last;                     ///< where the journal had it last
    };
    struct Stream {
        store::JournalCursor cursor;
        WallTime at{};  ///< of the record where it stands, or before
    };
    /// What a record in a stream says.
    struct Turn {
        WallTime at{};
        std::size_t stream = 0;
        /// Heaps have the greatest in front: that is to be the earliest.
        friend bool operator<(const Turn& a, const Turn& b) noexcept {
            return a.at != b.at ? a.at > b.at : a.stream > b.stream;
        }
    };

    Result<void> load_pools(const std::filesystem::path& data_dir);
    Result<void> open_streams(const std::filesystem::path& data_dir,
                              const store::JournalCursor::OnFinding& on_finding);
    Result<void> advance(std::size_t stream);
    static bool read_time(Stream& stream);
    bool take(const Stream& stream);
    bool take_hold(const store::HoldRecord& hold);
    bool take_times(store::RecordType type, const store::TimesRecord& times);
    void take_adopted(const store::AdoptRecord& adopt);
    ringpool::PoolIndex pool_of(std::string_view id);
    Place place_in(ringpool::PoolIndex pool, NumberState& state);

    std::vector<RecordedPool> pools_;
    std::unordered_map<std::string, ringpool::PoolIndex> by_id_;
    std::string id_;  ///< the one looked for last; keeps its memory
    store::NumberMap<NumberState> numbers_;
    std::vector<Stream> streams_;
    std::vector<Turn> turns_;  ///< a heap; one for each stream that has a record
    std::optional<std::size_t> current_;
    RecordedRequest request_;
    bool has_begin_ = true;
    std::uint64_t left_out_ = 0;
};

}  // namespace ringmaster::replay
