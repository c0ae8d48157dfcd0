#include "ringmaster/migrate/directory_source.hpp"

#include "ringmaster/store/chain_walk.hpp"
#include "ringmaster/store/layout.hpp"
#include "ringmaster/store/recovery.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

namespace ringmaster::migrate {
namespace {

constexpr std::size_t kPageNumbers = 500;
constexpr std::size_t kRecordsAtOnce = 1024;

}  // namespace

Result<std::unique_ptr<DirectorySource>> DirectorySource::open(const std::filesystem::path& root,
                                                               const Clock& clock, Log& log) {
    // Opened, a directory would be made where there is none.
    auto layout = store::load_layout(root);
    if (!layout) return layout.error();
    if (!*layout) {
        return Error{ErrorCode::not_found, root.string() + " is not the directory of a store"};
    }
    store::Disk disk;
    auto directory = store::DataDirectory::open(disk, root);
    if (!directory) return directory.error();
    std::unique_ptr<DirectorySource> source(new DirectorySource(*std::move(directory), clock));
    if (auto recovered = source->recover(log); !recovered) return recovered.error();
    return source;
}

Result<void> DirectorySource::recover(Log& log) {
    const auto& root = directory_.root();
    const auto layout = store::load_layout(root);
    if (!layout) return layout.error();
    const auto base = store::common_hold_clock(directory_, **layout, clock_.steady_now(),
                                               clock_.wall_now(), store::BootTime::read());
    if (!base) return base.error();
    WallTime latest{};
    for (const std::uint32_t stream : (*layout)->streams) {
        auto recovered = store::recover(disk_, store::stream_path(root, stream), stream, log);
        if (!recovered) return recovered.error();
        latest = std::max(latest, recovered->latest);
        fingerprint_ += std::to_string(stream) + ":" + std::to_string(recovered->next_segment) +
                        ":" + std::to_string(recovered->latest.time_since_epoch().count()) + " ";
        slots_.reserve(slots_.size() + recovered->slots.size());
        for (const auto& [number, slot] : recovered->slots) {
            ringpool::Slot& known = slots_.at(number);
            if (!known.session || store::is_newer(slot, known)) known = slot;
        }
    }
    std::atomic<std::int64_t> ahead_ms{0};
    store::HoldClock hold_clock(*base, ahead_ms);
    const SteadyTime now = clock_.steady_now();
    hold_clock.catch_up(now, latest);
    hold_now_ = hold_clock.at(now);
    ahead_ = clock_.wall_now() - hold_now_;
    return {};
}

Result<ringpool::SessionHasher::Key> DirectorySource::secret() {
    return directory_.secret(disk_, false);
}

Result<std::vector<ringpool::PoolDefinition>> DirectorySource::pools() {
    const store::PoolFiles files(disk_, directory_.pools());
    const auto ids = files.list();
    if (!ids) return ids.error();
    std::vector<ringpool::PoolDefinition> pools;
    for (const std::string& id : *ids) {
        auto definition = files.load_definition(id);
        if (!definition) return definition.error();
        pools.push_back(*std::move(definition));
    }
    return pools;
}

Result<Source::Page> DirectorySource::numbers(const ringpool::PoolDefinition& pool,
                                              std::uint64_t from) {
    if (auto loaded = load(pool.id); !loaded) return loaded.error();
    const auto& all = loaded_->numbers;
    Page page;
    const std::uint64_t end = std::min<std::uint64_t>(all.size(), from + kPageNumbers);
    for (std::uint64_t i = from; i < end; ++i) {
        auto image = image_of(all[i]);
        if (!image) return image.error();
        page.numbers.push_back(*std::move(image));
    }
    page.next = end == all.size() ? 0 : end;
    return page;
}

Result<void> DirectorySource::load(const std::string& id) {
    if (loaded_ && loaded_->definition.id == id) return {};
    auto pool = store::PoolFiles(disk_, directory_.pools()).load(id);
    if (!pool) return pool.error();
    loaded_ = *std::move(pool);
    return {};
}

Result<NumberImage> DirectorySource::image_of(const store::StoredNumber& stored) const {
    NumberImage image;
    image.number = stored.number;
    image.draining = stored.draining;
    const ringpool::Slot* const slot = slots_.find(stored.number.number);
    if (slot == nullptr || !slot->session) return image;
    store::ChainWalk walk(directory_.root(), stored.number.number, *slot, hold_now_,
                          std::numeric_limits<std::size_t>::max());
    while (true) {
        const auto more = walk.go_on(kRecordsAtOnce);
        if (!more) return more.error();
        if (!*more) break;
    }
    image.holds = std::move(walk).holds();
    for (ringpool::Hold& hold : image.holds) {
        if (hold.detail == ringpool::Hold::Detail::lost) {
            hold.detail = ringpool::Hold::Detail::erased;
            hold.pool_id = loaded_->definition.id;
        }
        for (WallTime* time :
             {&hold.allocated_at, &hold.last_touch, &hold.expires_at, &hold.free_at}) {
            *time += ahead_;
        }
    }
    image.slot.session = slot->session;
    image.slot.allocated_at = slot->allocated_at + ahead_;
    image.slot.last_touch = slot->last_touch + ahead_;
    image.slot.expires_at = slot->expires_at + ahead_;
    image.slot.eligible_at = slot->eligible_at + ahead_;
    return image;
}

Result<std::size_t> DirectorySource::promised_strays() {
    const auto pools = store::PoolFiles(disk_, directory_.pools()).load();
    if (!pools) return pools.error();
    std::unordered_set<ringpool::PhoneNumber> in_pools;
    for (const store::StoredPool& pool : *pools) {
        for (const store::StoredNumber& stored : pool.numbers)
            in_pools.insert(stored.number.number);
    }
    std::size_t count = 0;
    for (const auto& [number, slot] : slots_) {
        if (slot.eligible_at > hold_now_ && !in_pools.contains(number)) ++count;
    }
    return count;
}

}  // namespace ringmaster::migrate
