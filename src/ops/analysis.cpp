#include "ringmaster/ops/analysis.hpp"

#include "ringmaster/ops/erlang.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <utility>

namespace ringmaster::ops {

using runtime::TimeProfile;
using runtime::WaitsFor;
using Buckets = std::map<std::size_t, ShardProfile::Bucket>;

namespace {

/// Below it there is hardly a queue.
constexpr double kEasy = 0.5;
/// A shard whose utilisation differs from the others' by less has nothing to itself.
constexpr double kUneven = 0.1;
/// A share of the time that is worth a word.
constexpr double kMuch = 0.5;
constexpr double kNoteworthy = 0.1;
/// Which share of checkouts may wait for a connection, and which may give up.
constexpr double kMayWait = 0.01;
constexpr double kMayGiveUp = 1e-4;
constexpr std::size_t kMostConnections = 10'000;

double seconds(std::chrono::nanoseconds time) noexcept {
    return std::chrono::duration<double>(time).count();
}

/// Of numbers: what is longer than a line or two is cut.
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
    std::array<char, 512> out{};
    std::va_list values;
    va_start(values, format);
    (void)std::vsnprintf(out.data(), out.size(), format, values);
    va_end(values);
    return out.data();
}

std::string percent(double share) {
    return text("%.1f %%", 100 * share);
}

std::string milliseconds(double seconds) {
    return text("%.3g ms", 1000 * seconds);
}

std::string counted(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// --- where the time goes -----------------------------------------------------------------------

/// Adds `share` of what is in a bucket.
void add(TimeParts& sum, const ShardProfile::Bucket& bucket, double share) noexcept {
    const runtime::TaskTimes& times = bucket.times;
    sum.running += share * seconds(times.running);
    sum.stalled += share * seconds(times.stalled);
    sum.journal += share * seconds(times.waited_for(WaitsFor::disk));
    sum.shards += share * seconds(times.waited_for(WaitsFor::peer));
    sum.redis += share * seconds(times.waited_for(WaitsFor::server));
    sum.other += share * seconds(times.waited_for(WaitsFor::other));
    sum.queued += share * seconds(bucket.queued);
}

TimeParts divided(TimeParts sum, double by) noexcept {
    if (by <= 0) return {};
    for (double* const part : {&sum.running, &sum.stalled, &sum.journal, &sum.shards, &sum.redis,
                               &sum.other, &sum.queued}) {
        *part /= by;
    }
    return sum;
}

/// Those whose rank is between two: of a bucket on the edge, its share in proportion.
Band band_of(const Buckets& buckets, double all, double from, double to) {
    const double first = from * all;
    const double last = to * all;
    TimeParts sum;
    double before = 0;
    double longest = 0;
    for (const auto& [index, bucket] : buckets) {
        const auto count = static_cast<double>(bucket.count);
        const double inside = std::min(last, before + count) - std::max(first, before);
        if (inside > 0) {
            add(sum, bucket, inside / count);
            // Their mean is exact; how they are spread within the bucket is not known.
            const double end = seconds(TimeProfile::begin_of(index + 1));
            const double begin = seconds(TimeProfile::begin_of(index));
            longest = begin + (end - begin) * std::min(1.0, (last - before) / count);
        }
        before += count;
    }
    return {from, to, longest, divided(sum, last - first)};
}

RequestTimes times_of(std::string endpoint, const Buckets& buckets, double observed) {
    RequestTimes result;
    result.endpoint = std::move(endpoint);
    TimeParts sum;
    for (const auto& [index, bucket] : buckets) {
        result.requests += bucket.count;
        add(sum, bucket, 1);
    }
    const auto all = static_cast<double>(result.requests);
    result.mean = divided(sum, all);
    result.per_second = observed > 0 ? all / observed : 0;
    for (std::size_t i = 0; i + 1 < kBandBounds.size(); ++i) {
        const double from = kBandBounds[i];
        const double to = kBandBounds[i + 1];
        if ((to - from) * all >= 1) result.bands.push_back(band_of(buckets, all, from, to));
    }
    return result;
}

double whole_time(const RequestTimes& times) noexcept {
    return times.mean.total() * static_cast<double>(times.requests);
}

// --- shards ------------------------------------------------------------------------------------

double share_of(std::chrono::nanoseconds part, const ShardProfile& profile) noexcept {
    const double observed = seconds(profile.observed);
    return observed > 0 ? seconds(part) / observed : 0;
}

std::uint64_t requests_of(const ShardProfile& profile) noexcept {
    std::uint64_t requests = 0;
    for (const auto& endpoint : profile.endpoints) {
        for (const auto& [index, bucket] : endpoint.buckets) requests += bucket.count;
    }
    return requests;
}

ShardLoad load_of(const ShardProfile& sum, double busiest, double knee) {
    ShardLoad load;
    load.shard = sum.shard;
    load.observed = seconds(sum.observed);
    load.utilisation = std::min(1.0, share_of(sum.busy, sum));
    load.busiest = std::clamp(busiest, load.utilisation, 1.0);
    load.cpu = share_of(sum.cpu, sum);
    load.stretch = 1 / (1 - load.busiest);
    load.zone = load.busiest < kEasy ? Zone::easy : load.busiest < knee ? Zone::usual : Zone::knee;
    if (load.observed > 0) {
        load.per_second = static_cast<double>(requests_of(sum)) / load.observed;
        load.rows_per_second = static_cast<double>(sum.rows) / load.observed;
    }
    load.lag_p50 = seconds(sum.lag.quantile(0.5));
    load.lag_p99 = seconds(sum.lag.quantile(0.99));
    load.lag_p999 = seconds(sum.lag.quantile(0.999));
    return load;
}

// --- what follows ------------------------------------------------------------------------------

/// The load of all shards together, in shards that would be busy all the time.
struct WholeLoad {
    double all = 0;
    const ShardLoad* busiest = nullptr;
    /// What the busiest one does more than the others do on average.
    double excess = 0;
    /// The pool with the most rows, and its share of them.
    std::string hottest;
    double hottest_share = 0;
    std::uint32_t hottest_shard = 0;
    std::uint64_t cores = 1;
    bool has_redis = false;
};

WholeLoad whole_load(const std::vector<ShardLoad>& loads, const std::vector<ShardProfile>& sums) {
    WholeLoad whole;
    std::uint64_t rows = 0;
    std::map<std::string, std::pair<std::uint64_t, std::uint32_t>> pools;
    for (const ShardProfile& sum : sums) {
        rows += sum.rows;
        whole.cores = std::max(whole.cores, sum.cores);
        whole.has_redis = whole.has_redis || sum.redis;
        for (const auto& pool : sum.pools) {
            auto& [of_pool, owner] = pools[pool.id];
            of_pool += pool.rows;
            owner = sum.shard;
        }
    }
    for (const auto& [id, pool] : pools) {
        const auto& [of_pool, owner] = pool;
        const double share =
            rows > 0 ? static_cast<double>(of_pool) / static_cast<double>(rows) : 0;
        if (share <= whole.hottest_share) continue;
        whole.hottest = id;
        whole.hottest_share = share;
        whole.hottest_shard = owner;
    }
    for (const ShardLoad& load : loads) {
        whole.all += load.busiest;
        if (whole.busiest == nullptr || load.busiest > whole.busiest->busiest)
            whole.busiest = &load;
    }
    if (whole.busiest != nullptr && loads.size() > 1) {
        const double others =
            (whole.all - whole.busiest->busiest) / static_cast<double>(loads.size() - 1);
        whole.excess = std::max(0.0, whole.busiest->busiest - others);
    }
    return whole;
}

void find_shards(Analysis& analysis, const WholeLoad& whole, const AnalysisOptions& options) {
    if (whole.busiest == nullptr) return;
    const double most = options.knee / (1 + options.reserve);
    // Only the owner of a pool allocates from it: that part of the work is serial.
    const bool owner_is_busiest = !whole.has_redis && whole.hottest_share >= kMuch &&
                                  whole.hottest_shard == whole.busiest->shard;
    const double serial = owner_is_busiest && whole.excess > kUneven ? whole.excess : 0;
    const std::string sum = text(
        "utilisation of all shards in their busiest time: %.2f; with %.0f %% in reserve each may "
        "be "
        "busy for %.2f / %.2f = %.2f",
        whole.all, 100 * options.reserve, options.knee, 1 + options.reserve, most);
    if (serial >= most) {
        analysis.shards_needed = std::nullopt;
        analysis.findings.push_back(
            {"shards", Finding::Weight::act,
             "no number of shards bears this load with the reserve: pool " + whole.hottest +
                 " is allocated by shard " + std::to_string(whole.busiest->shard) +
                 " alone. Divide it into two pools",
             sum +
                 text("; only that shard can do %.2f of it (Amdahl's law: the rest can be divided, "
                      "this can't)",
                      serial)});
        return;
    }
    // A little less than a whole one is whole, whatever the last bits say.
    const double needed = std::ceil((whole.all - serial) / (most - serial) - 1e-9);
    const auto shards = static_cast<std::size_t>(std::max(1.0, needed));
    const std::size_t now = analysis.shards.size();
    analysis.shards_needed = shards;
    std::string arithmetic = sum + text("; %.2f / %.2f = %.2f", whole.all, most, whole.all / most);
    if (serial > 0) {
        arithmetic =
            sum + text(
                      "; only shard %u can do %.2f of it, so (%.2f - %.2f) / (%.2f - %.2f) "
                      "= %.2f",
                      whole.busiest->shard, serial, whole.all, serial, most, serial,
                      (whole.all - serial) / (most - serial));
    }
    if (shards <= now) {
        analysis.findings.push_back(
            {"shards", Finding::Weight::fine,
             counted(now, "shard") + " bear this load and the reserve" +
                 (shards < now ? ", and so would " + std::to_string(shards) : ""),
             arithmetic});
    } else if (shards <= whole.cores) {
        analysis.findings.push_back(
            {"shards", Finding::Weight::act,
             counted(shards, "shard") + " instead of " + std::to_string(now) + " are needed",
             arithmetic});
    } else {
        analysis.findings.push_back(
            {"shards", Finding::Weight::act,
             counted(shards, "shard") + " are needed, and the machine has " +
                 counted(whole.cores, "core") + ": more shards than cores only share them",
             arithmetic});
    }
}

void find_balance(Analysis& analysis, const WholeLoad& whole) {
    if (whole.excess <= kUneven) return;
    const std::string shard = std::to_string(whole.busiest->shard);
    const std::string arithmetic =
        text("shard %u is busy for %.2f of the time, the others for %.2f", whole.busiest->shard,
             whole.busiest->busiest, whole.busiest->busiest - whole.excess);
    const bool by_pool = !whole.has_redis && whole.hottest_share >= kMuch &&
                         whole.hottest_shard == whole.busiest->shard;
    if (by_pool) {
        analysis.findings.push_back(
            {"hot pool", Finding::Weight::notice,
             "shard " + shard + " has more to do than the others: " + percent(whole.hottest_share) +
                 " of all rows are of pool " + whole.hottest +
                 ", which it owns. More shards don't make that faster",
             arithmetic});
    } else {
        analysis.findings.push_back(
            {"balance", Finding::Weight::notice,
             "shard " + shard +
                 " has more to do than the others. The kernel deals connections to shards by "
                 "chance: "
                 "with few, or busy ones, that is uneven. More connections of the proxy are better",
             arithmetic});
    }
}

void find_curve(Analysis& analysis, const WholeLoad& whole, const AnalysisOptions& options) {
    if (whole.busiest == nullptr) return;
    const ShardLoad& load = *whole.busiest;
    const std::string arithmetic =
        text("1 / (1 - %.2f) = %.2f: what takes a millisecond of the thread takes so many",
             load.busiest, load.stretch);
    const std::string busy =
        "the busiest shard is busy for " + percent(load.busiest) + " of the time";
    if (load.zone == Zone::knee) {
        analysis.findings.push_back({"queueing", Finding::Weight::act,
                                     busy + ", which is above the knee at " +
                                         percent(options.knee) +
                                         ": each percent more of load costs more than the last one",
                                     arithmetic});
    } else {
        analysis.findings.push_back(
            {"queueing", Finding::Weight::fine,
             busy + (load.zone == Zone::easy ? ", and there is hardly a queue"
                                             : ", below the knee at " + percent(options.knee)),
             arithmetic});
    }
}

/// Threads that want a core and don't get it: then the shard is busy for longer than it computes.
void find_cores(Analysis& analysis, const WholeLoad& whole) {
    double busy = 0;
    double cpu = 0;
    for (const ShardLoad& load : analysis.shards) {
        busy += load.utilisation;
        cpu += load.cpu;
    }
    if (busy < kNoteworthy || busy - cpu < 0.25 * busy) return;
    analysis.findings.push_back(
        {"cores", Finding::Weight::act,
         "the shards' threads wait for the processor, or for the disk in a system call: " +
             percent(1 - cpu / busy) + " of the time in which they are busy they do not compute. " +
             "Other programs take cores, or there are more shards than the " +
             counted(whole.cores, "core") + " of the machine",
         text("busy %.2f, processor time %.2f", busy, cpu)});
}

void find_waits(Analysis& analysis) {
    const TimeParts& mean = analysis.all.mean;
    const double total = mean.total();
    if (total <= 0) return;
    const struct {
        const char* topic;
        double part;
        const char* what;
        const char* advice;
    } waits[] = {
        {"redis", mean.redis, "Redis",
         "more shards do not make it faster: a machine nearer to it, larger batches, or a cluster "
         "do"},
        {"journal", mean.journal, "the journal",
         "more shards do not make the disk faster; fsync = \"interval\" instead of \"always\", or "
         "a "
         "faster disk does"},
        {"other shards", mean.shards, "the shards that own the pools",
         "larger batches, or fewer shards, make fewer calls"},
    };
    for (const auto& wait : waits) {
        const double share = wait.part / total;
        if (share < kNoteworthy) continue;
        analysis.findings.push_back(
            {wait.topic, share < kMuch ? Finding::Weight::fine : Finding::Weight::notice,
             percent(share) + " of the time of requests is waiting for " + wait.what +
                 (share < kMuch ? std::string() : std::string(": ") + wait.advice),
             milliseconds(wait.part) + " of " + milliseconds(total) + " on average"});
    }
    if (const double share = mean.stalled / total; share >= kNoteworthy) {
        analysis.findings.push_back(
            {"stalled", share < kMuch ? Finding::Weight::notice : Finding::Weight::act,
             percent(share) +
                 " of the time of requests is spent ready to go on, while others have the thread: "
                 "that is the queue within the shard",
             milliseconds(mean.stalled) + " of " + milliseconds(total) + " on average"});
    }
    if (mean.queued > total) {
        analysis.findings.push_back(
            {"queue", Finding::Weight::act,
             "requests wait longer before they come to a shard than they take there: in the proxy, "
             "in the kernel, or the clocks of the machines differ",
             milliseconds(mean.queued) + " queued, " + milliseconds(total) + " in the shard"});
    }
}

/// Little's law: how many there are is how many come, times how long they stay.
void find_concurrency(Analysis& analysis, const std::vector<ShardProfile>& sums) {
    if (analysis.shards.empty() || analysis.all.requests == 0) return;
    std::uint64_t limit = 0;
    for (const ShardProfile& sum : sums) limit += sum.most_in_flight;
    const double stay = analysis.all.mean.total();
    const double at_one_time = analysis.all.per_second * stay;
    const std::string arithmetic = text("%.4g a second x %.3g ms = %.3g at one time (Little's law)",
                                        analysis.all.per_second, 1000 * stay, at_one_time);
    const bool much = limit > 0 && at_one_time > kMuch * static_cast<double>(limit);
    analysis.findings.push_back({"concurrency", much ? Finding::Weight::act : Finding::Weight::fine,
                                 text("%.3g requests are in work at one time, and %llu may be",
                                      at_one_time, static_cast<unsigned long long>(limit)) +
                                     (much ? ": soon some are refused" : ""),
                                 arithmetic});
}

void find_connections(Analysis& analysis, const std::vector<ShardProfile>& sums,
                      const AnalysisOptions& options) {
    double offered = 0;
    double held = 0;
    std::uint64_t checkouts = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t size = 0;
    for (const ShardProfile& sum : sums) {
        if (!sum.redis || sum.redis->connections.checkouts == 0) continue;
        const auto& connections = sum.redis->connections;
        offered = std::max(offered, share_of(connections.lent, sum));
        held += seconds(connections.lent);
        checkouts += connections.checkouts;
        timeouts += connections.timeouts;
        size = std::max(size, connections.size);
    }
    if (checkouts == 0) return;
    const double hold = held / static_cast<double>(checkouts);
    const double wanted = offered * (1 + options.reserve);
    std::size_t needed = 1;
    while (needed < kMostConnections && erlang_c(wanted, needed) > kMayWait) ++needed;
    // Of those who wait, exp(-(n - a) t / h) wait longer than t (M/M/n).
    const double waits = std::max(erlang_c(wanted, needed), kMayGiveUp);
    const double patience =
        hold * std::log(waits / kMayGiveUp) / (static_cast<double>(needed) - wanted);
    analysis.connections_needed = needed;
    analysis.checkout_timeout = std::max(patience, hold);
    const bool enough = needed <= size && timeouts == 0;
    analysis.findings.push_back(
        {"connections", enough ? Finding::Weight::fine : Finding::Weight::act,
         "calls that wait for replicas need " + counted(needed, "connection") +
             " to each Redis server in each shard; " + std::to_string(size) +
             " are allowed (redis.wait_connections). A checkout that has none after " +
             milliseconds(*analysis.checkout_timeout) + " waits in vain" +
             (timeouts > 0 ? ", as " + std::to_string(timeouts) + " did" : ""),
         text(
             "%.3g in use on average (each for %.3g ms), %.3g with the reserve: of %zu, %.2g %% of "
             "checkouts wait (Erlang C)",
             offered, 1000 * hold, wanted, needed, 100 * erlang_c(wanted, needed))});
}

}  // namespace

double TimeParts::io_share() const noexcept {
    const double both = running + idle();
    return both > 0 ? idle() / both : 0;
}

double erlang_c(double offered, std::size_t connections) noexcept {
    const auto n = static_cast<double>(connections);
    if (offered >= n) return 1;
    const double blocked = erlang_b(offered, connections);
    return n * blocked / (n - offered * (1 - blocked));
}

Analysis analyse(const std::vector<ShardProfile>& profiles, const AnalysisOptions& options) {
    Analysis analysis;
    analysis.knee = options.knee;
    std::map<std::uint32_t, std::pair<ShardProfile, double>> by_shard;  // with the busiest share
    for (const ShardProfile& profile : profiles) {
        const double busy = share_of(profile.busy, profile);
        const auto [here, is_new] = by_shard.try_emplace(profile.shard, profile, busy);
        if (is_new) continue;
        here->second.first.add(profile);
        here->second.second = std::max(here->second.second, busy);
    }
    std::vector<ShardProfile> sums;
    for (auto& [index, shard] : by_shard) {
        analysis.shards.push_back(load_of(shard.first, shard.second, options.knee));
        sums.push_back(std::move(shard.first));
    }
    if (sums.empty()) return analysis;

    analysis.begin = std::ranges::min(sums, {}, &ShardProfile::begin).begin;
    analysis.end = std::ranges::max(sums, {}, &ShardProfile::end).end;
    analysis.observed = std::ranges::max(analysis.shards, {}, &ShardLoad::observed).observed;
    Buckets all;
    std::map<std::string, Buckets> endpoints;
    for (const ShardProfile& sum : sums) {
        for (const auto& endpoint : sum.endpoints) {
            for (const auto& [index, bucket] : endpoint.buckets) {
                all[index] += bucket;
                endpoints[endpoint.name][index] += bucket;
            }
        }
    }
    analysis.all = times_of("", all, analysis.observed);
    for (const auto& [name, buckets] : endpoints) {
        analysis.endpoints.push_back(times_of(name, buckets, analysis.observed));
    }
    std::ranges::stable_sort(analysis.endpoints, std::ranges::greater(), whole_time);

    const WholeLoad whole = whole_load(analysis.shards, sums);
    find_curve(analysis, whole, options);
    find_shards(analysis, whole, options);
    find_balance(analysis, whole);
    find_cores(analysis, whole);
    find_waits(analysis);
    find_concurrency(analysis, sums);
    find_connections(analysis, sums, options);
    return analysis;
}

}  // namespace ringmaster::ops
