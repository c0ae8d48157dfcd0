#pragma once

#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/neighbours.hpp"

#include <cstddef>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/support.hpp"

namespace ringmaster::store::testing {

/// Several stores that share a directory of pools, as processes would, but on one reactor: what
/// they ask of each other are plain calls. The first letter of a pool's id tells whose it is: 'a'
/// the first store's, 'b' the second's, and so on.
///
/// A store whose disk is frozen is taken for dead: it does not answer, and what it says is not
/// heard.
class Neighbourhood {
  public:
    explicit Neighbourhood(std::size_t stores, EmbeddedStoreOptions options = {})
        : options_(std::move(options)), permit_(reactor_.scheduler()) {
        for (std::size_t i = 0; i < stores; ++i)
            houses_.push_back(std::make_unique<House>(*this, i));
        std::filesystem::create_directory(pools_path());
        for (std::size_t i = 0; i < stores; ++i) {
            std::filesystem::create_directory(root(i));
            std::filesystem::create_directory_symlink(pools_path(), root(i) / "pools");
            open(i);
        }
    }
    ~Neighbourhood() {
        for (std::size_t i = 0; i < size(); ++i) close(i);
    }

    std::size_t size() const { return houses_.size(); }
    static std::size_t owner_of(std::string_view pool_id) {
        return static_cast<std::size_t>(pool_id.front() - 'a');
    }
    EmbeddedStore& store(std::size_t i) { return *houses_[i]->store; }
    EmbeddedStore& owner(std::string_view pool_id) { return store(owner_of(pool_id)); }
    const ringpool::Catalog& catalog(std::size_t i) const { return *houses_[i]->catalog; }
    ringpool::Catalog& catalog(std::size_t i) { return *houses_[i]->catalog; }
    TestDisk& disk(std::size_t i) { return houses_[i]->disk; }
    Neighbours& neighbours(std::size_t i) { return *houses_[i]; }
    runtime::Scheduler& scheduler() { return reactor_.scheduler(); }
    /// What all share.
    PoolFiles files() { return PoolFiles(sound_disk_, pools_path()); }
    /// The permit can't be had any more.
    void refuse_permits() { permits_refused_ = true; }

    /// How often each was asked for, by all.
    struct Counts {
        unsigned permits = 0;
        unsigned look_ups = 0;
        unsigned sweeps = 0;
        unsigned announcements = 0;
    };
    Counts counts;
    /// Called before the neighbours are asked to sweep.
    std::function<void()> before_sweep;

    WallTime now() const { return clock_.wall_now(); }
    void leap(std::chrono::milliseconds by) {
        leaped_ += by;
        clock_.leap(by);
        // The time of a turn is that of its begin.
        reactor_.scheduler().update_time();
    }

    /// Runs `job` in a fiber, and the reactor until the job has ended.
    void run(std::function<void()> job) { run_in_fiber(reactor_, job); }
    template <class Job>
    auto ask(Job&& job) {
        std::optional<decltype(job())> result;
        run([&] { result.emplace(job()); });
        return *std::move(result);
    }

    /// The process dies and comes again.
    void crash(std::size_t i) {
        disk(i).freeze();
        restart(i);
    }
    void restart(std::size_t i) {
        close(i);
        disk(i).freeze_after(1 << 30);
        disk(i).heal();
        open(i);
        // It may have written a file and not said so.
        for (std::size_t other = 0; other < size(); ++other) {
            if (other != i && houses_[other]->store) houses_[other]->refresh_all();
        }
    }

  private:
    class House final : public Neighbours {
      public:
        House(Neighbourhood& all, std::size_t self) : all_(all), self_(self) {}

        bool owns(std::string_view pool_id) const noexcept override {
            return owner_of(pool_id) == self_;
        }
        Result<std::unique_ptr<Permit>> begin_change() override {
            auto permit = std::make_unique<LockedPermit>(all_.permit_.lock());
            if (all_.permits_refused_ || disk.frozen()) return gone(self_);
            ++all_.counts.permits;
            return std::unique_ptr<Permit>(std::move(permit));
        }
        Result<std::vector<NumberKnowledge>> look_up(
            std::span<const ringpool::PhoneNumber> numbers) override {
            EXPECT_LE(numbers.size(), kMaxLookUp);
            ++all_.counts.look_ups;
            std::vector<NumberKnowledge> all;
            for (std::size_t i = 0; i < all_.size(); ++i) {
                if (i == self_) continue;
                if (!all_.alive(i) || !all_.alive(self_)) return gone(i);
                auto known = all_.store(i).pools().look_up(numbers);
                if (!known) return known.error();
                all.insert(all.end(), known->begin(), known->end());
            }
            return all;
        }
        Result<void> sweep(std::string_view pool_id) override {
            if (all_.before_sweep) all_.before_sweep();
            ++all_.counts.sweeps;
            const std::size_t owner = owner_of(pool_id);
            if (!all_.alive(owner) || !all_.alive(self_)) return gone(owner);
            return all_.store(owner).pools().sweep_left(pool_id);
        }
        void announce(std::string_view pool_id) noexcept override {
            ++all_.counts.announcements;
            if (!all_.alive(self_)) return;
            for (std::size_t i = 0; i < all_.size(); ++i) {
                if (i != self_ && all_.alive(i)) all_.houses_[i]->refresh(std::string(pool_id));
            }
        }

        void refresh(const std::string& id) {
            if (owns(id)) return;
            if (auto definition = all_.files().load_definition(id)) {
                (void)catalog->put(*std::move(definition));
            } else if (const auto index = catalog->find(id)) {
                catalog->remove(*index);
            }
        }
        void refresh_all() {
            std::vector<std::string> ids = all_.files().list().value();
            catalog->for_each([&](ringpool::PoolIndex, const ringpool::PoolDefinition& pool) {
                ids.push_back(pool.id);
            });
            for (const std::string& id : ids) refresh(id);
        }

        TestDisk disk;
        std::unique_ptr<ringpool::Catalog> catalog;
        std::unique_ptr<EmbeddedStore> store;

      private:
        struct LockedPermit final : Permit {
            explicit LockedPermit(std::optional<runtime::Mutex::Lock> taken)
                : lock(std::move(taken)) {}
            std::optional<runtime::Mutex::Lock> lock;
        };
        static Error gone(std::size_t i) {
            return {ErrorCode::unavailable, "shard " + std::to_string(i) + " does not answer"};
        }
        Neighbourhood& all_;
        const std::size_t self_;
    };

    bool alive(std::size_t i) const { return houses_[i]->store && !houses_[i]->disk.frozen(); }
    std::filesystem::path pools_path() const { return directory_.path() / "pools"; }
    std::filesystem::path root(std::size_t i) const {
        return directory_.path() / std::to_string(i);
    }
    void open(std::size_t i) {
        House& house = *houses_[i];
        BootTime boot = BootTime::read();
        boot.since_boot += leaped_;
        EmbeddedStoreOptions options = options_;
        options.directory = root(i);
        house.catalog = std::make_unique<ringpool::Catalog>();
        auto opened =
            EmbeddedStore::open(reactor_, *house.catalog, options, log_, house.disk, boot, house);
        if (!opened) throw std::runtime_error(opened.error().message);
        house.store = *std::move(opened);
    }
    void close(std::size_t i) {
        if (!houses_[i]->store) return;
        run([&] { store(i).close(); });
        houses_[i]->store.reset();
    }

    EmbeddedStoreOptions options_;
    TempDirectory directory_;
    Disk sound_disk_;
    LeapingClock clock_;
    std::chrono::milliseconds leaped_{};
    CollectingLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, runtime::SchedulerLimits{}};
    runtime::Mutex permit_;
    bool permits_refused_ = false;
    std::vector<std::unique_ptr<House>> houses_;
};

}  // namespace ringmaster::store::testing
