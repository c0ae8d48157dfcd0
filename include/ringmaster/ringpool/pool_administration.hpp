#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ringpool {

/// Of rows that were answered with the overflow number, by OverflowReason, those whose pool may
/// have had a number: load that was shed.
constexpr std::uint64_t shed_of(
    const std::array<std::uint64_t, kOverflowReasons>& overflows) noexcept {
    std::uint64_t rows = 0;
    for (const std::uint64_t count : overflows) rows += count;
    return rows - overflows[static_cast<std::size_t>(OverflowReason::exhausted)];
}

/// What has happened in a pool since the process started.
struct PoolCounters {
    std::uint64_t allocations = 0;  ///< requests answered with a number of the pool
    std::uint64_t new_holds = 0;    ///< of those, the ones with which a hold began
    std::uint64_t releases = 0;
    /// Requests for which the pool had no number, by OverflowReason.
    std::array<std::uint64_t, kOverflowReasons> overflows{};
    /// Numbers that went to another session less than a lifetime after the last one's time
    /// (cool-down included) was over: who calls late there reaches the wrong campaign.
    std::uint64_t early_reissues = 0;
    /// By how much later than a lifetime and a cool-down after holds began their numbers have
    /// become free for others, because sessions asked again; less what those gave back who released
    /// theirs. So (lifetime + cool-down) + extended_ms / new_holds is for how long a session keeps
    /// a number from others, on average. 0 where the store does not measure it.
    std::int64_t extended_ms = 0;

    PoolCounters& operator+=(const PoolCounters& other) noexcept {
        allocations += other.allocations;
        new_holds += other.new_holds;
        releases += other.releases;
        for (std::size_t i = 0; i < overflows.size(); ++i) overflows[i] += other.overflows[i];
        early_reissues += other.early_reissues;
        extended_ms += other.extended_ms;
        return *this;
    }
};

/// How a pool stands. Draining numbers are held or cooling as others are.
struct PoolFigures {
    std::size_t numbers = 0;  ///< held + cooling + free
    std::size_t held = 0;
    std::size_t cooling = 0;  ///< only their last session can have them back
    std::size_t free = 0;
    std::size_t draining = 0;  ///< of all those, numbers that leave when their time is over
    PoolCounters counters;

    PoolFigures& operator+=(const PoolFigures& other) noexcept {
        numbers += other.numbers;
        held += other.held;
        cooling += other.cooling;
        free += other.free;
        draining += other.draining;
        counters += other.counters;
        return *this;
    }
};

/// One number of a pool.
struct NumberState {
    enum class State : std::uint8_t { free, held, cooling };
    PoolNumber number;
    State state = State::free;
    bool draining = false;
    WallTime free_at{};  ///< unless free: when its time, cool-down included, is over
};

/// Some numbers of a pool, and how to ask for those that come after them.
struct NumberPage {
    std::vector<NumberState> numbers;
    std::size_t next = 0;  ///< 0: there are no more
};

/// How the numbers of a pool are to change. A number in both lists is added.
struct NumbersEdit {
    std::vector<PoolNumber> add;      ///< those that it has already stay; a draining one is kept
    std::vector<PhoneNumber> remove;  ///< those that it has not are skipped
};

/// What an edit came to.
struct NumbersChange {
    struct Refusal {
        PhoneNumber number;
        std::string reason;  ///< for people
    };
    std::vector<PhoneNumber> added;    ///< and were not there, or were draining
    std::vector<PhoneNumber> removed;  ///< at once
    /// Not handed out again, and leave when their time is over.
    std::vector<PhoneNumber> draining;
    /// Not empty: nothing at all was changed, because these can't be added.
    std::vector<Refusal> refused;
};

/// Which pools there are, and which numbers they have. Each change is on the disk (or wherever the
/// store keeps its pools) before the call returns, and a crash leaves it whole or undone. A number
/// is in one pool at most, the one where it drains until its time is over, and in none where it is
/// some pool's overflow number. Changes are made one after the other, while requests are served.
///
/// A change that has begun is made to its end, even where the calling task is cancelled meanwhile.
///
/// All calls suspend. ErrorCode::not_found where there is no such pool, ErrorCode::unavailable
/// where it could not be written: then nothing has changed in memory, though after a crash the
/// change may turn out to have been made.
class PoolAdministration {
  public:
    virtual ~PoolAdministration() = default;

    /// Suspends. Creates the pool with this id, without numbers, or changes its definition. Holds
    /// keep what they were promised. ErrorCode::invalid where a rule of the definition is broken,
    /// the overflow number is one that some pool hands out, or there are too many pools. Returns
    /// whether it was created.
    virtual Result<bool> put_pool(PoolDefinition definition) = 0;

    /// Suspends. The pool is gone at once; what its numbers' holders were promised still keeps
    /// those from everybody else. Where the pool and its numbers come back meanwhile, so do those
    /// sessions that have not got another number by then.
    virtual Result<void> remove_pool(std::string_view id) = 0;

    /// Suspends. Adds and removes numbers. ErrorCode::invalid where there would be too many.
    virtual Result<NumbersChange> edit_numbers(std::string_view id, NumbersEdit edit) = 0;

    /// Suspends. Afterwards the pool has exactly these numbers and, draining, what is still held of
    /// others. ErrorCode::invalid as above.
    virtual Result<NumbersChange> set_numbers(std::string_view id,
                                              std::vector<PoolNumber> wanted) = 0;

    /// Suspends. Up to `max` (at least one) numbers, from a page's `next` on, in no particular
    /// order; 0 begins. Changes between two pages may make a number appear twice or be left out.
    virtual Result<NumberPage> numbers(std::string_view id, std::size_t from, std::size_t max) = 0;

    /// Suspends. Then the catalog has the pool, though another machine may have made it just now.
    virtual Result<PoolFigures> figures(std::string_view id) = 0;
};

}  // namespace ringmaster::ringpool
