#include "ringmaster/shard/routed_store.hpp"

#include "ringmaster/runtime/wait_queue.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

namespace ringmaster::shard {

using ringpool::Allocation;
using ringpool::AllocationRequest;

namespace {

static_assert(Placement::kMaxShards - 1 <= std::numeric_limits<std::uint8_t>::max());

/// How many Splits wait to be used again, and rows of how many each keeps the memory.
constexpr std::size_t kMaxIdle = 64;
constexpr std::size_t kKeepRows = 1024;

}  // namespace

/// One batch, in parts: its rows in order of their owners. Used for one batch after the other.
class RoutedStore::Split {
  public:
    explicit Split(RoutedStore& routed) : routed_(routed), ended_(routed.scheduler_) {
        ends_.reserve(routed.stores_.size());
        parts_.reserve(routed.stores_.size());
        workers_.reserve(routed.stores_.size());
    }

    void divide(std::span<const AllocationRequest> requests);
    /// Suspends. Has every part answered.
    void run(Deadline deadline);
    void put_back(std::span<Allocation> answers) const;

    bool is_small() const noexcept { return requests_.capacity() <= kKeepRows; }

  private:
    struct Part {
        ShardIndex owner;
        std::size_t begin;
        std::size_t end;
    };
    void start_workers();
    void work();
    void run_part(const Part& part);
    void join(std::optional<runtime::Cancelled> cancelled);
    void fail(std::exception_ptr error) noexcept;

    RoutedStore& routed_;
    std::vector<std::size_t> ends_;  ///< by shard, while dividing
    std::vector<Part> parts_;        ///< the own one first
    std::vector<AllocationRequest> requests_;
    std::vector<Allocation> answers_;
    std::vector<std::size_t> places_;  ///< of requests_, in the batch

    Deadline deadline_;
    std::size_t next_ = 0;  ///< part that nobody has begun yet
    std::size_t running_ = 0;
    std::vector<runtime::Task> workers_;
    std::exception_ptr failure_;
    runtime::WaitQueue ended_;
};

/// Lends a Split.
class RoutedStore::Lease {
  public:
    explicit Lease(RoutedStore& routed) : routed_(routed) {
        if (routed.idle_.empty()) {
            split_ = std::make_unique<Split>(routed);
        } else {
            split_ = std::move(routed.idle_.back());
            routed.idle_.pop_back();
        }
    }
    ~Lease() {
        if (routed_.idle_.size() == kMaxIdle || !split_->is_small()) return;
        routed_.idle_.push_back(std::move(split_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Split* operator->() noexcept { return split_.get(); }

  private:
    RoutedStore& routed_;
    std::unique_ptr<Split> split_;
};

RoutedStore::RoutedStore(runtime::Scheduler& scheduler, const ringpool::Catalog& catalog,
                         const Placement& placement, ShardIndex self,
                         std::vector<ringpool::Store*> stores)
    : scheduler_(scheduler),
      catalog_(catalog),
      placement_(placement),
      self_(self),
      stores_(std::move(stores)) {
    assert(stores_.size() == placement.count() && self < stores_.size());
    idle_.reserve(kMaxIdle);
}

RoutedStore::~RoutedStore() = default;

void RoutedStore::allocate(std::span<const AllocationRequest> requests,
                           std::span<Allocation> answers, Deadline deadline) {
    if (requests.empty()) return;
    const ShardIndex owner = owner_of(requests.front().pool);
    if (std::ranges::all_of(requests.subspan(1), [&](const AllocationRequest& request) {
            return owner_of(request.pool) == owner;
        })) {
        return stores_[owner]->allocate(requests, answers, deadline);
    }
    Lease split(*this);
    split->divide(requests);
    split->run(deadline);
    split->put_back(answers);
}

Result<void> RoutedStore::release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                                  const ringpool::Session& session, Deadline deadline) {
    return stores_[owner_of(pool)]->release(pool, number, session, deadline);
}

void RoutedStore::learn_owners() {
    while (owners_.size() < catalog_.end_index()) {
        const auto& id = catalog_.at(static_cast<ringpool::PoolIndex>(owners_.size())).id;
        owners_.push_back(static_cast<std::uint8_t>(placement_.owner(id)));
    }
}

// A counting sort: rows of one owner stay in the order in which they were asked.
void RoutedStore::Split::divide(std::span<const AllocationRequest> requests) {
    ends_.assign(routed_.stores_.size(), 0);
    for (const AllocationRequest& request : requests) ++ends_[routed_.owner_of(request.pool)];
    parts_.clear();
    std::size_t begin = 0;
    for (ShardIndex owner = 0; owner < ends_.size(); ++owner) {
        const std::size_t rows = std::exchange(ends_[owner], begin);
        if (rows > 0) parts_.push_back({owner, begin, begin + rows});
        begin += rows;
    }
    const auto own = std::ranges::find(parts_, routed_.self_, &Part::owner);
    if (own != parts_.end()) std::swap(*own, parts_.front());

    requests_.resize(requests.size());
    answers_.resize(requests.size());
    places_.resize(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::size_t place = ends_[routed_.owner_of(requests[i].pool)]++;
        requests_[place] = requests[i];
        places_[place] = i;
    }
}

void RoutedStore::Split::put_back(std::span<Allocation> answers) const {
    for (std::size_t i = 0; i < places_.size(); ++i) answers[places_[i]] = answers_[i];
}

// The caller is a worker like the others, and the first to begin: so it has the own part, and all
// that is left where there is no fiber for others.
void RoutedStore::Split::run(Deadline deadline) {
    deadline_ = deadline;
    next_ = 0;
    failure_ = nullptr;
    start_workers();
    std::optional<runtime::Cancelled> cancelled;
    try {
        work();
    } catch (const runtime::Cancelled& reason) {
        cancelled = reason;
    }
    join(std::move(cancelled));
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

// The first part is the caller's: it begins before any of these.
void RoutedStore::Split::start_workers() {
    runtime::Scheduler& scheduler = routed_.scheduler_;
    workers_.clear();
    running_ = 0;
    for (std::size_t i = 1; i < parts_.size(); ++i) {
        const runtime::Task worker = scheduler.spawn(
            "part of a batch",
            [this] {
                try {
                    work();
                } catch (const runtime::Cancelled&) {
                    // With the caller, who knows.
                }
                if (--running_ == 0) ended_.notify_all();
            },
            scheduler.deadline());
        if (!worker) break;
        workers_.push_back(worker);
        ++running_;
    }
}

void RoutedStore::Split::work() {
    while (next_ < parts_.size()) run_part(parts_[next_++]);
}

void RoutedStore::Split::run_part(const Part& part) {
    const std::size_t rows = part.end - part.begin;
    try {
        routed_.stores_[part.owner]->allocate(std::span(requests_).subspan(part.begin, rows),
                                              std::span(answers_).subspan(part.begin, rows),
                                              deadline_);
    } catch (const runtime::FiberUnwound&) {
        throw;
    } catch (const runtime::Cancelled&) {
        throw;
    } catch (...) {
        fail(std::current_exception());
    }
}

void RoutedStore::Split::fail(std::exception_ptr error) noexcept {
    if (failure_) {
        routed_.scheduler_.errors().report("part of a batch", std::move(error));
    } else {
        failure_ = std::move(error);
    }
}

// Whatever becomes of the caller, nobody may be left who uses its spans, or this.
void RoutedStore::Split::join(std::optional<runtime::Cancelled> cancelled) {
    const runtime::Waiting waiting(routed_.scheduler_, runtime::WaitsFor::peer);
    if (!cancelled) {
        try {
            while (running_ > 0) ended_.wait();
        } catch (const runtime::Cancelled& reason) {
            cancelled = reason;
        }
    }
    if (!cancelled) return;
    next_ = parts_.size();
    for (const runtime::Task& worker : workers_) worker.cancel(cancelled->reason);
    const runtime::CancellationShield shield(routed_.scheduler_);
    while (running_ > 0) ended_.wait();
    if (failure_)
        routed_.scheduler_.errors().report("part of a batch", std::exchange(failure_, {}));
    throw *std::move(cancelled);
}

}  // namespace ringmaster::shard
