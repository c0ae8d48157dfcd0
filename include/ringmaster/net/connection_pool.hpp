#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ringmaster::net {

struct ConnectionPoolOptions {
    std::string name;      ///< stands in error texts, e.g. "redis"
    std::size_t size = 5;  ///< connections at one time, those that are being made included
    std::chrono::milliseconds checkout_timeout{5'000};  ///< how long a checkout may wait
    std::chrono::milliseconds idle_timeout{300'000};    ///< unused for so long: closed
    std::chrono::milliseconds max_age{
        0};  ///< older ones are closed when nobody uses them; 0: never
    std::chrono::milliseconds reap_period{60'000};  ///< how often it is looked for such
};

/// The terms are those of Active Record's connection pool.
struct ConnectionPoolStats {
    std::size_t size = 0;         ///< how many there may be
    std::size_t connections = 0;  ///< how many there are: busy + dead + idle, or being made
    std::size_t busy = 0;         ///< checked out
    std::size_t dead = 0;         ///< checked out, and broken meanwhile
    std::size_t idle = 0;
    std::size_t waiting = 0;  ///< fibers that wait for one
    std::chrono::milliseconds checkout_timeout{0};
    // Since the pool was made:
    std::uint64_t checkouts = 0;
    std::uint64_t timeouts = 0;  ///< checkouts that waited in vain
    std::uint64_t made = 0;
    std::uint64_t failures = 0;          ///< to make one
    std::uint64_t reaped = 0;            ///< closed because of idle_timeout or max_age
    std::chrono::nanoseconds lent{0};    ///< for how long, all that have been given back together
    std::chrono::nanoseconds waited{0};  ///< before a checkout had one, or had to give up
};

/// A bounded number of connections that fibers take turns in using. Who comes first is served
/// first; of several idle ones the one used last is lent, so that those too many fall idle and are
/// reaped. A fiber that checks out twice gets two. Belongs to one scheduler. Nobody may wait, and
/// nothing may be lent, when it is destroyed.
///
/// `Connection` has `bool usable() const noexcept`: false once it is broken or the other side has
/// closed it. Such a one is never lent again.
template <class Connection>
class ConnectionPool {
  public:
    /// Makes a connection. May suspend, up to `deadline`.
    using Connect = std::function<Result<std::unique_ptr<Connection>>(Deadline deadline)>;

    ConnectionPool(runtime::Scheduler& scheduler, ConnectionPoolOptions options, Connect connect)
        : scheduler_(scheduler),
          options_(std::move(options)),
          connect_(std::move(connect)),
          permits_(scheduler, options_.size),
          reap_timer_(runtime::Callback::of<&ConnectionPool::reap>(*this)) {
        assert(options_.size > 0);
    }
    ~ConnectionPool() { assert(lent_.empty() && waiting_ == 0); }
    ConnectionPool(const ConnectionPool&) = delete;
    ConnectionPool& operator=(const ConnectionPool&) = delete;

  private:
    struct Entry {
        std::unique_ptr<Connection> connection;
        SteadyTime made{};
        SteadyTime used{};  ///< when it was last given back, or lent
    };

  public:
    /// A connection for as long as it is needed; goes back at the end of its scope.
    class Lease {
      public:
        Lease(Lease&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)),
              entry_(std::move(other.entry_)),
              reused_(other.reused_) {}
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (pool_ != nullptr) pool_->give_back(std::move(entry_));
        }

        Connection& operator*() const noexcept { return *entry_.connection; }
        Connection* operator->() const noexcept { return entry_.connection.get(); }
        /// Whether it has been used before: then the other side may be closing it right now.
        bool reused() const noexcept { return reused_; }

      private:
        friend class ConnectionPool;
        Lease(ConnectionPool& pool, Entry entry, bool reused) noexcept
            : pool_(&pool), entry_(std::move(entry)), reused_(reused) {}
        ConnectionPool* pool_;
        Entry entry_;
        bool reused_;
    };

    /// Suspends while all are lent, and while a new one is made. ErrorCode::timeout where
    /// checkout_timeout or `deadline` passed first, with the pool, the wait and the limit in its
    /// text; where a connection can't be made, whatever Connect fails with.
    Result<Lease> checkout(Deadline deadline = {}) { return checkout(deadline, false); }
    /// Suspends. The same, but always makes one: for who has found a used one to be closed.
    Result<Lease> checkout_new(Deadline deadline = {}) { return checkout(deadline, true); }

    /// Closes those that have been idle too long, or have grown too old, now. Happens by itself
    /// every reap_period.
    void reap() {
        const std::size_t before = idle_.size();
        std::erase_if(idle_, [&](const Entry& entry) { return !is_fit(entry); });
        counters_.reaped += before - idle_.size();
        arrange_reaping();
    }

    ConnectionPoolStats stats() const noexcept {
        ConnectionPoolStats stats = counters_;
        stats.size = options_.size;
        stats.checkout_timeout = options_.checkout_timeout;
        stats.connections = options_.size - permits_.available() + idle_.size();
        stats.dead = static_cast<std::size_t>(std::ranges::count_if(
            lent_, [](const Connection* connection) { return !connection->usable(); }));
        stats.busy = lent_.size() - stats.dead;
        stats.idle = idle_.size();
        stats.waiting = waiting_;
        return stats;
    }

  private:
    /// Given back, unless it has gone over to a Lease: also where Connect throws.
    struct Permit {
        ~Permit() {
            if (pool != nullptr) pool->permits_.release();
        }
        ConnectionPool* pool;
    };

    Result<Lease> checkout(Deadline deadline, bool always_new) {
        ++counters_.checkouts;
        const SteadyTime begin = scheduler_.now();
        const Deadline until =
            Deadline::at(std::min(deadline.time(), begin + options_.checkout_timeout));
        if (!acquire_permit(until)) {
            ++counters_.timeouts;
            return waited_in_vain(begin);
        }
        Permit permit{this};
        // A new one takes the place of the idle one that nobody has wanted for longest.
        if (always_new && !idle_.empty()) idle_.erase(idle_.begin());
        while (!always_new && !idle_.empty()) {
            Entry entry = std::move(idle_.back());
            idle_.pop_back();
            if (is_fit(entry)) return lend(std::move(entry), permit, true);
        }
        auto made = connect_(until);
        if (!made) {
            ++counters_.failures;
            return made.error();
        }
        ++counters_.made;
        return lend({*std::move(made), scheduler_.now(), {}}, permit, false);
    }

    bool acquire_permit(Deadline until) {
        struct Waiting {
            explicit Waiting(ConnectionPool& p) noexcept : pool(p), begin(p.scheduler_.now()) {
                ++pool.waiting_;
            }
            ~Waiting() {
                --pool.waiting_;
                pool.counters_.waited += pool.scheduler_.now() - begin;
            }
            ConnectionPool& pool;
            const SteadyTime begin;
        };
        if (permits_.try_acquire()) return true;
        const Waiting waiting(*this);
        return permits_.acquire(until);
    }

    Error waited_in_vain(SteadyTime begin) const {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(scheduler_.now() - begin);
        return {ErrorCode::timeout,
                "no connection of pool '" + options_.name + "' became free within " +
                    std::to_string(ms.count()) + " ms: all " + std::to_string(options_.size) +
                    " are in use, and " + std::to_string(waiting_) + " others wait"};
    }

    bool is_fit(const Entry& entry) const noexcept {
        const SteadyTime now = scheduler_.now();
        const auto old = options_.max_age;
        return entry.connection->usable() && now - entry.used < options_.idle_timeout &&
               (old.count() == 0 || now - entry.made < old);
    }

    Lease lend(Entry entry, Permit& permit, bool reused) {
        lent_.push_back(entry.connection.get());
        entry.used = scheduler_.now();
        permit.pool = nullptr;
        return Lease(*this, std::move(entry), reused);
    }

    void give_back(Entry entry) noexcept {
        std::erase(lent_, entry.connection.get());
        const SteadyTime now = scheduler_.now();
        counters_.lent += now - std::exchange(entry.used, now);
        if (is_fit(entry)) idle_.push_back(std::move(entry));
        permits_.release();
        arrange_reaping();
    }

    void arrange_reaping() noexcept {
        if (idle_.empty() || reap_timer_.scheduled()) return;
        scheduler_.timers().schedule(reap_timer_, scheduler_.now() + options_.reap_period);
    }

    runtime::Scheduler& scheduler_;
    const ConnectionPoolOptions options_;
    const Connect connect_;
    /// One for each connection that is lent or being made. There are no more connections than
    /// permits, because a new one is made only when none is idle.
    runtime::Semaphore permits_;
    std::vector<Entry> idle_;  ///< the one used last at the end
    std::vector<const Connection*> lent_;
    std::size_t waiting_ = 0;
    ConnectionPoolStats counters_;  ///< only what counts up
    runtime::Timer reap_timer_;
};

}  // namespace ringmaster::net
