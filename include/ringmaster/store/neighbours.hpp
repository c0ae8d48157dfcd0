#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/slot.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// What a process knows of a number: where it is, and who had it last.
struct NumberKnowledge {
    ringpool::PhoneNumber number;
    std::string pool;       ///< the id of the pool there that has it; empty: none
    bool draining = false;  ///< it is to leave that pool
    bool has_left = false;  ///< and its time is over: a sweep of the pool lets go of it
    ringpool::Slot slot;    ///< what was promised of it; without a session: nobody had it
};

/// The other processes that have pools of the same data directory. A pool's numbers are one
/// process's, its *owner's*, which alone makes changes of that pool; every process knows the
/// definition of every pool.
class Neighbours {
  public:
    virtual ~Neighbours() = default;

    /// Whether the pool with this id, if there is one, is this process's own. Never changes.
    virtual bool owns(std::string_view pool_id) const noexcept = 0;

    /// The right to change pools, given back by destruction.
    class Permit {
      public:
        virtual ~Permit() = default;
    };
    /// Suspends until no other process changes pools, and none will while the permit lives; then
    /// brings the catalog up to date: with what was announced, and with what a process that died
    /// before it could announce it has written. This process's own pools it leaves alone: their
    /// owner knows better. Called by one fiber at a time. ErrorCode::unavailable where the permit
    /// can't be had in time.
    virtual Result<std::unique_ptr<Permit>> begin_change() = 0;

    // To be called with a permit:

    static constexpr std::size_t kMaxLookUp = 1024;  ///< numbers
    /// Suspends. What the others know of these numbers, in no order; nothing for a number that
    /// nobody knows, several for one that several do. ErrorCode::unavailable where one of the
    /// processes does not answer, or could not write the file of one of its pools.
    virtual Result<std::vector<NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers) = 0;
    /// Suspends. Has the pool's owner take the numbers that have left it out of its file.
    virtual Result<void> sweep(std::string_view pool_id) = 0;
    /// Says that the pool's file may have another definition now, or be gone. Whoever asks another
    /// process from now on finds that up to date.
    virtual void announce(std::string_view pool_id) noexcept = 0;
};

/// Where all pools are one process's.
class NoNeighbours final : public Neighbours {
  public:
    bool owns(std::string_view) const noexcept override { return true; }
    Result<std::unique_ptr<Permit>> begin_change() override { return std::make_unique<Permit>(); }
    Result<std::vector<NumberKnowledge>> look_up(std::span<const ringpool::PhoneNumber>) override {
        return std::vector<NumberKnowledge>();
    }
    Result<void> sweep(std::string_view) override { return {}; }
    void announce(std::string_view) noexcept override {}
};

}  // namespace ringmaster::store
