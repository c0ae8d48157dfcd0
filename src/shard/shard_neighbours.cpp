#include "ringmaster/shard/shard_neighbours.hpp"

#include "ringmaster/store/disk.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <utility>

#include "ask_all.hpp"

namespace ringmaster::shard {

using store::NumberKnowledge;
using store::UniqueFd;

namespace {

/// The kernel does not tell when a lock is free but to a thread that blocks: it is asked again
/// after this.
constexpr std::chrono::milliseconds kAskAgain{5};

Error lock_error(const char* doing, const std::filesystem::path& file) {
    return store::disk_error(doing, file, {errno, std::generic_category()});
}

/// A lock is the open file's, which children share: closing is not enough to give it back.
class FileLock {
  public:
    explicit FileLock(UniqueFd file) noexcept : file_(std::move(file)) {}
    FileLock(FileLock&&) noexcept = default;
    ~FileLock() {
        if (file_.get() >= 0) ::flock(file_.get(), LOCK_UN);
    }

  private:
    UniqueFd file_;
};

/// Suspends.
Result<FileLock> lock(runtime::Scheduler& scheduler, const std::filesystem::path& path,
                      Deadline deadline) {
    // Opened anew each time, because that is what excludes others of this process.
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (file.get() < 0) return lock_error("open", path);
    while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return lock_error("lock", path);
        const SteadyTime now = scheduler.now();
        if (deadline.expired(now)) {
            return Error{ErrorCode::unavailable,
                         "another change of pools is under way in another process"};
        }
        scheduler.sleep_until(std::min(now + kAskAgain, deadline.time()));
    }
    return FileLock(std::move(file));
}

class ChangePermit final : public store::Neighbours::Permit {
  public:
    ChangePermit(FileLock lock, CatalogFeed& feed) noexcept : lock_(std::move(lock)), feed_(feed) {
        feed_.begin_change();
    }
    ~ChangePermit() override { feed_.end_change(); }

  private:
    FileLock lock_;
    CatalogFeed& feed_;
};

}  // namespace

ShardNeighbours::ShardNeighbours(runtime::Scheduler& scheduler, const Placement& placement,
                                 ShardIndex self, std::vector<Shard*> shards, CatalogFeed& feed,
                                 Options options)
    : scheduler_(scheduler),
      placement_(placement),
      self_(self),
      shards_(std::move(shards)),
      feed_(feed),
      options_(std::move(options)) {
    assert(shards_.size() == placement.count() && self < shards_.size());
}

Result<std::unique_ptr<store::Neighbours::Permit>> ShardNeighbours::begin_change() {
    const Deadline deadline = Deadline::at(scheduler_.now() + options_.permit_timeout);
    auto locked = lock(scheduler_, options_.lock_file, deadline);
    if (!locked) return locked.error();
    std::unique_ptr<Permit> permit = std::make_unique<ChangePermit>(*std::move(locked), feed_);
    if (const auto current = feed_.catch_up(deadline); !current) {
        return Error{ErrorCode::unavailable,
                     "what other processes have changed can't be read: " + current.error().message};
    }
    return permit;
}

Result<std::vector<NumberKnowledge>> ShardNeighbours::look_up(
    std::span<const ringpool::PhoneNumber> numbers) {
    const Deadline deadline = Deadline::at(scheduler_.now() + options_.ask_timeout);
    const auto others = all_but(self_, shards_.size());
    auto answers = ask_all(scheduler_, others, [&](ShardIndex shard) {
        return shards_[shard]->look_up(numbers, deadline);
    });
    std::vector<NumberKnowledge> all;
    for (std::size_t i = 0; i < others.size(); ++i) {
        if (!answers[i]) {
            return Error{ErrorCode::unavailable, error_of(others[i], answers[i].error()).message};
        }
        std::ranges::move(*answers[i], std::back_inserter(all));
    }
    return all;
}

Result<void> ShardNeighbours::sweep(std::string_view pool_id) {
    const ShardIndex owner = placement_.owner(pool_id);
    assert(owner != self_ && "the store sweeps its own pools itself");
    const Deadline deadline = Deadline::at(scheduler_.now() + options_.ask_timeout);
    const auto swept = shards_[owner]->sweep(pool_id, deadline);
    if (swept) return {};
    return Error{ErrorCode::unavailable, error_of(owner, swept.error()).message};
}

}  // namespace ringmaster::shard
