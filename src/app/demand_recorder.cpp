#include "ringmaster/app/demand_recorder.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <span>
#include <system_error>
#include <utility>

namespace ringmaster::app {

using ringpool::PoolCounters;
using ringpool::PoolDefinition;
using ringpool::PoolIndex;

namespace {

/// More than kMostDemandHours lines ever take.
constexpr std::size_t kMaxFileBytes = 1024 * 1024;

}  // namespace

DemandRecorder::DemandRecorder(Parts parts, const DemandOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      loaded_(parts_.scheduler),
      told_to_stop_(parts_.scheduler) {}

std::filesystem::path DemandRecorder::path_of(const std::string& pool_id) const {
    return *parts_.directory / (pool_id + ".demand");
}

void DemandRecorder::load() {
    std::vector<std::pair<PoolIndex, std::string>> pools;
    parts_.catalog.for_each([&](PoolIndex index, const PoolDefinition& pool) {
        if (parts_.counters(index)) pools.emplace_back(index, pool.id);
    });
    if (parts_.directory) {
        const auto made =
            parts_.helper.run([&] { return store::make_directory(disk_, *parts_.directory); });
        if (!made) tell(made.error().message);
    }
    for (const auto& [index, id] : pools) {
        ops::PoolDemand before = read(id);
        if (const auto counters = parts_.counters(index)) {
            begin(index, *counters, std::move(before));
        }
    }
    loaded_.set();
}

ops::PoolDemand DemandRecorder::read(const std::string& pool_id) {
    if (!parts_.directory) return {};
    const std::filesystem::path path = path_of(pool_id);
    auto demand = parts_.helper.run([&]() -> Result<ops::PoolDemand> {
        std::error_code error;
        if (!std::filesystem::exists(path, error) && !error) return ops::PoolDemand();
        const auto bytes = store::read_file(path, kMaxFileBytes);
        if (!bytes) return bytes.error();
        auto decoded =
            ops::decode_demand({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
        if (decoded) return decoded;
        return Error{decoded.error().code, path.string() + ": " + decoded.error().message};
    });
    if (demand) return *std::move(demand);
    parts_.log.warning("the demand for pool " + pool_id +
                       " is measured anew: " + demand.error().message);
    return {};
}

void DemandRecorder::begin(PoolIndex pool, const PoolCounters& counters, ops::PoolDemand before) {
    if (entries_.size() <= pool) entries_.resize(pool + 1);
    before.keep(options_.keep_hours);
    entries_[pool] = {.pool_id = parts_.catalog.at(pool).id,
                      .demand = std::move(before),
                      .counted = counters,
                      .sampled = parts_.scheduler.now(),
                      .sized = std::nullopt,
                      .sizing = std::nullopt};
}

void DemandRecorder::sample(PoolIndex pool) {
    const auto counters = parts_.counters(pool);
    if (!counters) return;
    if (pool >= entries_.size() || entries_[pool].pool_id.empty()) {
        return begin(pool, *counters, {});
    }
    Entry& entry = entries_[pool];
    const SteadyTime now = parts_.scheduler.now();
    const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now - entry.sampled);
    entry.demand.add_sample(entry.counted, *counters, parts_.scheduler.wall_now(), elapsed);
    entry.demand.keep(options_.keep_hours);
    entry.counted = *counters;
    entry.sampled += elapsed;
    entry.changed = true;
}

void DemandRecorder::sample_all() {
    parts_.catalog.for_each([&](PoolIndex index, const PoolDefinition&) { sample(index); });
    forget_removed();
}

void DemandRecorder::forget_removed() {
    for (Entry& entry : entries_) {
        if (entry.pool_id.empty() || parts_.catalog.find(entry.pool_id)) continue;
        removed_.push_back(std::move(entry.pool_id));
        entry = {};
    }
}

void DemandRecorder::save() {
    if (!parts_.directory) return;
    for (const std::string& id : std::exchange(removed_, {})) {
        const std::filesystem::path path = path_of(id);
        (void)parts_.helper.run([&] { return disk_.remove(path); });
    }
    // Meanwhile others may begin.
    for (PoolIndex pool = 0; pool < entries_.size(); ++pool) {
        if (const auto saved = save(pool); !saved) return tell(saved.error().message);
    }
    told_.clear();
}

// While the helper writes one others may be measured, or begin: nothing but its index is kept.
Result<void> DemandRecorder::save(PoolIndex pool) {
    Entry& entry = entries_[pool];
    if (entry.pool_id.empty() || !std::exchange(entry.changed, false)) return {};
    const std::string text = ops::encode_demand(entry.demand);
    const std::filesystem::path path = path_of(entry.pool_id);
    auto saved = parts_.helper.run(
        [&] { return store::replace_file(disk_, path, std::as_bytes(std::span(text))); });
    if (!saved) entries_[pool].changed = true;
    return saved;
}

// As above: meanwhile the pool may have gone. Demand changes slowly, but who has bought numbers
// wants to see that it was enough.
void DemandRecorder::reckon(bool all) {
    for (PoolIndex i = 0; parts_.numbers && i < entries_.size(); ++i) {
        const std::string id = entries_[i].pool_id;
        if (told_to_stop_.is_set()) return;
        if (id.empty() || !parts_.counters(i)) continue;
        const std::size_t numbers = parts_.numbers(i);
        if (!all && entries_[i].sized == numbers) continue;
        const PoolDefinition& pool = parts_.catalog.at(i);
        const ops::AdviceBasis basis{.numbers = numbers,
                                     .lifetime = pool.lifetime,
                                     .cooldown = pool.cooldown,
                                     .least_observed = options_.least_observed,
                                     .kept = std::chrono::hours(options_.keep_hours)};
        const ops::PoolDemand demand = entries_[i].demand;
        const auto advice = parts_.helper.run([&] { return ops::advise(demand, basis); });
        if (entries_[i].pool_id != id) continue;
        entries_[i].sized = numbers;
        entries_[i].sizing = advice.sizing;
    }
}

// A full disk is full for a while.
void DemandRecorder::tell(const std::string& problem) {
    if (problem == told_) return;
    told_ = problem;
    parts_.log.warning("the demand for numbers is not saved: " + problem);
}

void DemandRecorder::run() {
    loaded_.wait();
    reckon(true);
    SteadyTime save_at = parts_.scheduler.now() + options_.save_period;
    while (!told_to_stop_.wait(Deadline::at(parts_.scheduler.now() + options_.sample_period))) {
        sample_all();
        const bool due = parts_.scheduler.now() >= save_at;
        if (due) save();
        reckon(due);
        if (due) save_at = parts_.scheduler.now() + options_.save_period;
    }
    sample_all();
    save();
}

void DemandRecorder::stop() noexcept {
    told_to_stop_.set();
    loaded_.set();
}

std::vector<ops::DemandHour> DemandRecorder::demand(std::string_view pool_id) {
    const auto pool = parts_.catalog.find(pool_id);
    if (!pool || !parts_.counters(*pool)) return {};
    sample(*pool);
    return entries_[*pool].demand.hours();
}

const ops::PoolSizing* DemandRecorder::sizing(std::string_view pool_id) const noexcept {
    const auto pool = parts_.catalog.find(pool_id);
    if (!pool || *pool >= entries_.size() || !entries_[*pool].sizing) return nullptr;
    return &*entries_[*pool].sizing;
}

}  // namespace ringmaster::app
