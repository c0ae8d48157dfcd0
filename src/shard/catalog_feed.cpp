#include "ringmaster/shard/catalog_feed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstring>
#include <utility>

namespace ringmaster::shard {

using ringpool::PoolDefinition;
using ringpool::PoolIndex;

namespace {

using Change = SharedPage::Change;
constexpr std::size_t kRemembered = SharedPage::kRemembered;

void write(Change& change, std::string_view id) noexcept {
    assert(id.size() <= SharedPage::kMaxIdBytes);
    std::array<std::uint64_t, SharedPage::kMaxIdBytes / 8> words{};
    std::memcpy(words.data(), id.data(), id.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
        change.id[i].store(words[i], std::memory_order_relaxed);
    }
}

std::string read(const Change& change) {
    std::array<std::uint64_t, SharedPage::kMaxIdBytes / 8> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = change.id[i].load(std::memory_order_relaxed);
    }
    const auto* const text = reinterpret_cast<const char*>(words.data());
    return {text, ::strnlen(text, SharedPage::kMaxIdBytes)};
}

}  // namespace

CatalogFeed::CatalogFeed(runtime::Scheduler& scheduler, SharedPage& page,
                         ringpool::Catalog& catalog, const Placement& placement, ShardIndex self,
                         Files files)
    : scheduler_(scheduler),
      page_(page),
      catalog_(catalog),
      placement_(placement),
      self_(self),
      files_(std::move(files)),
      applied_(version()),
      reading_(scheduler) {}

Result<void> CatalogFeed::catch_up(Deadline deadline) {
    const std::uint64_t wanted = version();
    if (applied_ >= wanted) return {};
    const auto lock = reading_.lock(deadline);
    if (!lock) return Error{ErrorCode::timeout, "the pools' definitions are still being read"};
    if (applied_ >= wanted) return {};
    if (failure_ && scheduler_.now() < retry_at_) return *failure_;

    const runtime::CancellationShield whole(scheduler_);
    const std::uint64_t until = version();
    const auto changed = changed_since(applied_);
    auto done = changed ? read(*changed) : read_all();
    if (done) {
        applied_ = until;
        failure_.reset();
    } else {
        failure_ = done.error();
        retry_at_ = scheduler_.now() + kRetryAfter;
    }
    return done;
}

// A seqlock's reader (Boehm, 2012). Change n is overwritten by change n + kRemembered, from when
// the version is n + kRemembered - 1 on. If any of what was read was that, the fence, together with
// the writer's, makes the second look see at least this version.
std::optional<std::vector<std::string>> CatalogFeed::changed_since(std::uint64_t version) const {
    const SharedPage::Contents& page = page_.contents();
    const std::uint64_t until = page.catalog_version.load(std::memory_order_acquire);
    if (until - version >= kRemembered) return std::nullopt;
    std::vector<std::string> ids;
    for (std::uint64_t n = version + 1; n <= until; ++n) {
        ids.push_back(shard::read(page.changes[n % kRemembered]));
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t later = page.catalog_version.load(std::memory_order_relaxed);
    if (later - version >= kRemembered) return std::nullopt;
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

Result<void> CatalogFeed::read_all() {
    auto ids = files_.list();
    if (!ids) return ids.error();
    std::ranges::sort(*ids);
    std::vector<PoolIndex> gone;
    catalog_.for_each([&](PoolIndex index, const PoolDefinition& pool) {
        if (!owns(pool.id) && !std::ranges::binary_search(*ids, pool.id)) gone.push_back(index);
    });
    for (const PoolIndex index : gone) catalog_.remove(index);
    return read(*ids);
}

// One that can't be read does not keep the others from being known.
Result<void> CatalogFeed::read(std::span<const std::string> ids) {
    Result<void> result;
    for (const std::string& id : ids) {
        if (owns(id)) continue;
        if (auto done = read(id); !done && result) result = std::move(done);
    }
    return result;
}

Result<void> CatalogFeed::read(std::string_view id) {
    auto definition = files_.load(id);
    if (definition) {
        const auto put = catalog_.put(*std::move(definition));
        return put ? Result<void>() : put.error();
    }
    if (definition.error().code != ErrorCode::not_found) return definition.error();
    if (const auto index = catalog_.find(id)) catalog_.remove(*index);
    return {};
}

void CatalogFeed::begin_change() noexcept {
    SharedPage::Contents& page = page_.contents();
    // The mark is set again only when the version is raised: who dies in between leaves it too.
    if (page.changing.load() != 0) page.catalog_version.fetch_add(kRemembered + 1);
    page.changing.store(1);
}

void CatalogFeed::announce(std::string_view id) noexcept {
    assert(current() && "begin_change() and catch_up() come first");
    SharedPage::Contents& page = page_.contents();
    const std::uint64_t next = page.catalog_version.load(std::memory_order_relaxed) + 1;
    std::atomic_thread_fence(std::memory_order_release);
    write(page.changes[next % kRemembered], id);
    page.catalog_version.store(next, std::memory_order_release);
    applied_ = next;
}

void CatalogFeed::end_change() noexcept {
    page_.contents().changing.store(0);
}

}  // namespace ringmaster::shard
