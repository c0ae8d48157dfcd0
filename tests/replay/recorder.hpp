#pragma once

#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/store/layout.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::replay::testing {

/// What was asked of a store and answered with a number, or given back: so what its journal has.
struct Asked {
    WallTime at{};
    ringpool::PoolIndex pool = 0;
    unsigned visitor = 0;
    bool release = false;
};

/// The session of a visitor, for an allocator by itself.
inline ringpool::SessionHash hash_of(const Asked& asked) {
    return {asked.visitor + 1, asked.pool + 1};
}

/// All shards of a data directory, from start to end. The last letter of a pool's id tells whose it
/// is.
class Shards {
  public:
    Shards(const std::filesystem::path& root, std::size_t count,
           const store::EmbeddedStoreOptions& options, store::testing::LeapingClock& clock)
        : directory_(must(store::DataDirectory::open(disk_, root))),
          count_(count),
          layout_(must(store::prepare_layout(
              disk_, directory_, count, [this](std::string_view id) { return owner_of(id); },
              log_))) {
        const auto base =
            must(store::common_hold_clock(directory_, layout_, clock.steady_now(), clock.wall_now(),
                                          {std::chrono::hours(1), {1}}));
        for (std::size_t i = 0; i < count; ++i) {
            neighbours_.push_back(std::make_unique<Silent>(*this, i));
            const store::ShardSeat seat{&directory_, layout_.streams[i], i == 0,
                                        base,        &ahead_ms_,         neighbours_[i].get()};
            stores_.push_back(
                std::make_unique<store::testing::TestStore>(seat, options, disk_, clock));
            if (stores_[i]->error()) throw std::runtime_error(stores_[i]->error()->message);
        }
    }
    ~Shards() {
        for (auto& store : stores_) store->close();
    }
    store::testing::TestStore& owner(std::string_view id) { return *stores_[owner_of(id)]; }

  private:
    class Silent final : public store::Neighbours {
      public:
        Silent(const Shards& all, std::size_t shard) : all_(all), shard_(shard) {}
        bool owns(std::string_view id) const noexcept override {
            return all_.owner_of(id) == shard_;
        }
        Result<std::unique_ptr<Permit>> begin_change() override {
            return std::make_unique<Permit>();
        }
        Result<std::vector<store::NumberKnowledge>> look_up(
            std::span<const ringpool::PhoneNumber>) override {
            return std::vector<store::NumberKnowledge>();
        }
        Result<void> sweep(std::string_view) override { return {}; }
        void announce(std::string_view) noexcept override {}

      private:
        const Shards& all_;
        const std::size_t shard_;
    };

    template <class T>
    static T must(Result<T> result) {
        if (!result) throw std::runtime_error(result.error().message);
        return *std::move(result);
    }
    std::size_t owner_of(std::string_view id) const noexcept {
        return static_cast<std::size_t>(id.back() - 'a') % count_;
    }

    store::testing::TestDisk disk_;
    store::testing::CollectingLog log_;
    store::DataDirectory directory_;
    const std::size_t count_;
    store::Layout layout_;
    std::atomic<std::int64_t> ahead_ms_{0};
    std::vector<std::unique_ptr<store::Neighbours>> neighbours_;
    std::vector<std::unique_ptr<store::testing::TestStore>> stores_;
};

/// Asks stores for numbers at random, and remembers what they were asked, and when. The pools must
/// have no max_hold: the journal has not all requests then.
class Recorder {
  public:
    explicit Recorder(store::testing::LeapingClock& clock) : clock_(clock) {}

    /// One request of a visitor who comes at random, and sometimes gives the number back.
    void ask(store::testing::TestStore& store, ringpool::PoolIndex pool, unsigned visitors) {
        Asked asked{{}, pool, static_cast<unsigned>(random_() % visitors)};
        const std::string session = "v" + std::to_string(asked.visitor);
        const std::string context =
            store::testing::one_parameter("source", std::to_string(random_() % 3));
        const ringpool::Allocation told = store.allocate(pool, session, context);
        if (told.outcome != ringpool::Allocation::Outcome::allocated) {
            ++refused_;
            return;
        }
        asked.at = slot_of(*store, pool, told.number).last_touch;
        asked_.push_back(asked);
        if (random_() % 8 != 0) return;
        store.run([&] {
            ASSERT_TRUE(
                store->release(pool, told.number, {session, ringpool::Context(context)}, {}).ok());
        });
        asked.at = slot_of(*store, pool, told.number).expires_at;
        asked.release = true;
        asked_.push_back(asked);
    }
    /// Up to so much time goes by.
    void wait(std::chrono::milliseconds most) {
        clock_.leap(std::chrono::milliseconds(random_() % static_cast<unsigned>(most.count())));
    }

    const std::vector<Asked>& asked() const { return asked_; }
    /// Requests that got the overflow number.
    unsigned refused() const { return refused_; }

  private:
    static const ringpool::Slot& slot_of(const store::EmbeddedStore& store,
                                         ringpool::PoolIndex index, ringpool::PhoneNumber number) {
        const ringpool::RingPool& pool = store.pool(index);
        ringpool::SlotIndex slot = 0;
        while (pool.number(slot).number != number) ++slot;
        return pool.slot(slot);
    }

    store::testing::LeapingClock& clock_;
    std::mt19937 random_{4711};
    std::vector<Asked> asked_;
    unsigned refused_ = 0;
};

}  // namespace ringmaster::replay::testing
