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

Zone zone_of(double utilisation, double knee) noexcept {
    return utilisation < kEasy ? Zone::easy : utilisation < knee ? Zone::usual : Zone::knee;
}

/// Of a shard's thread, or of Redis': its mean, and the most of those that were measured.
template <class Load>
void set_utilisation(Load& load, double mean, double busiest, double knee) noexcept {
    load.utilisation = std::min(1.0, mean);
    load.busiest = std::clamp(busiest, load.utilisation, 1.0);
    load.zone = zone_of(load.busiest, knee);
}

/// A number that should be whole, whatever its last bits say.
std::size_t rounded_up(double number) noexcept {
    return static_cast<std::size_t>(std::max(1.0, std::ceil(number - 1e-9)));
}

ShardLoad load_of(const ShardProfile& sum, double busiest, double knee) {
    ShardLoad load;
    load.shard = sum.shard;
    load.observed = seconds(sum.observed);
    set_utilisation(load, share_of(sum.busy, sum), busiest, knee);
    load.cpu = share_of(sum.cpu, sum);
    load.stretch = 1 / (1 - load.busiest);
    if (load.observed > 0) {
        load.per_second = static_cast<double>(requests_of(sum)) / load.observed;
        load.rows_per_second = static_cast<double>(sum.rows) / load.observed;
    }
    load.lag_p50 = seconds(sum.lag.quantile(0.5));
    load.lag_p99 = seconds(sum.lag.quantile(0.99));
    load.lag_p999 = seconds(sum.lag.quantile(0.999));
    return load;
}

// --- Redis -------------------------------------------------------------------------------------

/// Every shard sees the same servers: what they saw is not added, but its mean is taken.
std::vector<RedisLoad> redis_loads(const std::vector<ShardProfile>& profiles, double knee) {
    struct Seen {
        double observed = 0;
        double busy = 0;
        double busiest = 0;
        std::map<std::uint32_t, double> by_shard;
    };
    std::map<std::string, Seen> servers;
    for (const ShardProfile& profile : profiles) {
        if (!profile.redis) continue;
        for (const auto& load : profile.redis->loads) {
            if (load.observed.count() <= 0) continue;
            const double observed = seconds(load.observed);
            const double busy = std::max(0.0, seconds(load.busy));
            Seen& seen = servers[load.name];
            seen.observed += observed;
            seen.busy += busy;
            seen.busiest = std::max(seen.busiest, busy / observed);
            seen.by_shard[profile.shard] += observed;
        }
    }
    std::vector<RedisLoad> loads;
    for (const auto& [name, seen] : servers) {
        RedisLoad load;
        load.name = name;
        for (const auto& [shard, observed] : seen.by_shard) {
            load.observed = std::max(load.observed, observed);
        }
        set_utilisation(load, seen.busy / seen.observed, seen.busiest, knee);
        load.headroom = knee / load.busiest;
        loads.push_back(std::move(load));
    }
    std::ranges::stable_sort(loads, std::ranges::greater(), &RedisLoad::busiest);
    return loads;
}

/// How many there are at one time, where `seen` were seen.
std::size_t primaries_of(const std::vector<ShardProfile>& sums, std::size_t seen) noexcept {
    std::uint64_t told = 0;
    for (const ShardProfile& sum : sums) told = std::max(told, sum.redis ? sum.redis->servers : 0);
    return told > 0 ? std::min<std::uint64_t>(told, seen) : seen;
}

// --- what follows ------------------------------------------------------------------------------

/// What a shard, or a server of Redis, may be busy for with this load.
double most_busy(const AnalysisOptions& options) noexcept {
    return options.knee / (1 + options.reserve);
}

/// Whether Redis does not bear this load and the reserve: then no number of shards does.
bool is_bound_by_redis(const Analysis& analysis, const AnalysisOptions& options) noexcept {
    return !analysis.redis.empty() && analysis.redis.front().busiest > most_busy(options) + 1e-9;
}

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

/// Of more than Redis bears, shards need nothing: but they do of that, and of today's load.
void find_shards_for_redis(Analysis& analysis, const WholeLoad& whole,
                           const AnalysisOptions& options) {
    const RedisLoad& redis = analysis.redis.front();
    const double borne = std::max(1.0, redis.headroom);
    const double needed = whole.all * borne / options.knee;
    const std::size_t shards = rounded_up(needed);
    const std::size_t now = analysis.shards.size();
    analysis.shards_needed = std::nullopt;
    analysis.findings.push_back(
        {"shards", shards > now ? Finding::Weight::act : Finding::Weight::notice,
         "no number of shards bears this load with the reserve, because Redis does not. For " +
             (redis.headroom > 1 ? text("the %.2f times this load that it bears", borne)
                                 : std::string("this load")) +
             ", " + counted(shards, "shard") +
             (shards > now ? " instead of " + std::to_string(now) + " are needed"
                           : " of the " + std::to_string(now) +
                                 (shards == 1 ? " is enough" : " are enough")) +
             "; more do not help",
         text("utilisation of all shards in their busiest time: %.2f; %.2f x %.2f / %.2f = %.2f",
              whole.all, whole.all, borne, options.knee, needed)});
}

void find_shards(Analysis& analysis, const WholeLoad& whole, const AnalysisOptions& options) {
    if (whole.busiest == nullptr) return;
    if (is_bound_by_redis(analysis, options)) {
        return find_shards_for_redis(analysis, whole, options);
    }
    const double most = most_busy(options);
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
    const std::size_t shards = rounded_up((whole.all - serial) / (most - serial));
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

/// What takes load from the busiest server, which has too much of it; the others are busy for
/// `others` on average.
std::string relief_of_redis(const Analysis& analysis, const WholeLoad& whole, double others) {
    const std::size_t now = analysis.primaries;
    const std::size_t needed = *analysis.primaries_needed;
    std::string relief = "More shards do not help; larger batches do, and ";
    if (needed <= now) {
        relief += "moving pools to the other servers, which are busy for " + percent(others) +
                  " on average";
    } else if (now == 1) {
        relief += "Redis Cluster with " + counted(needed, "primary server");
    } else {
        relief += counted(needed, "primary server") + " instead of " + std::to_string(now);
    }
    if (whole.hottest_share >= kMuch) {
        relief += ". Pool " + whole.hottest + " has " + percent(whole.hottest_share) +
                  " of all rows, and all of it is on one server: divide it into several pools";
    }
    return relief;
}

/// How near Redis is to what it bears, which more shards don't change.
void find_redis_load(Analysis& analysis, const WholeLoad& whole, const AnalysisOptions& options,
                     Finding& finding) {
    const RedisLoad& busiest = analysis.redis.front();
    const std::size_t servers = analysis.primaries;
    double time = 0;
    double longest = 0;
    for (const RedisLoad& load : analysis.redis) {
        time += load.observed;
        longest = std::max(longest, load.observed);
    }
    // One that was a primary for a part of the time has had its load for that part.
    const double watched = std::max(longest, time / static_cast<double>(servers));
    const auto mean_of = [&](const RedisLoad& load) {
        return load.busiest * load.observed / watched;
    };
    double all = 0;
    for (const RedisLoad& load : analysis.redis) all += mean_of(load);
    const double most = most_busy(options);
    analysis.primaries_needed = rounded_up(all / most);

    const std::string times = busiest.headroom < 1000 ? text("%.2f times", busiest.headroom)
                                                      : std::string("over 1000 times");
    finding.says = (servers == 1 ? "the Redis server " + busiest.name
                                 : "the busiest of " + std::to_string(servers) +
                                       " Redis servers, " + busiest.name + ",") +
                   " is busy for " + percent(busiest.busiest) + " of the time";
    finding.arithmetic =
        text("%.2f / %.3f = ", options.knee, busiest.busiest) + times +
        text(" this load up to the knee; the reserve asks for %.2f times", 1 + options.reserve);
    const std::string knee = "the knee at " + percent(options.knee);
    if (!is_bound_by_redis(analysis, options)) {
        finding.says += ": it bears " + times + " this load up to " + knee;
        return;
    }
    const bool is_above = busiest.zone == Zone::knee;
    const double others =
        servers > 1 ? (all - mean_of(busiest)) / static_cast<double>(servers - 1) : 0;
    finding.weight = is_above ? Finding::Weight::act : Finding::Weight::notice;
    finding.says += (is_above ? ", which is above " : ", which is near ") + knee + ". " +
                    relief_of_redis(analysis, whole, others);
    finding.arithmetic += text("; all servers: %.2f / %.2f = %.2f", all, most, all / most);
}

/// Adds a sentence to what is found already, and a formula.
void add_to(Finding& finding, const std::string& says, const std::string& arithmetic) {
    finding.says += (finding.says.empty() ? "" : ". ") + says;
    finding.arithmetic += (finding.arithmetic.empty() ? "" : "; ") + arithmetic;
}

void find_redis(Analysis& analysis, const std::vector<ShardProfile>& sums, const WholeLoad& whole,
                const AnalysisOptions& options) {
    Finding finding{"redis", Finding::Weight::fine, "", ""};
    if (!analysis.redis.empty()) find_redis_load(analysis, whole, options, finding);
    const TimeParts& mean = analysis.all.mean;
    const double share = mean.total() > 0 ? mean.redis / mean.total() : 0;
    if (share >= kNoteworthy) {
        const bool is_loaded = finding.weight != Finding::Weight::fine;
        add_to(finding, percent(share) + " of the time of requests is waiting for Redis",
               milliseconds(mean.redis) + " of " + milliseconds(mean.total()) + " on average");
        if (share >= kMuch && !is_loaded) {
            finding.weight = Finding::Weight::notice;
            finding.says +=
                ": more shards do not make it faster; a machine nearer to it, or larger batches";
            // Servers that are known not to be busy are not what requests wait for.
            finding.says += analysis.redis.empty() ? ", or a cluster do" : " do";
        }
    }
    double calls = 0;
    double failed = 0;
    for (const ShardProfile& sum : sums) {
        calls += sum.redis ? static_cast<double>(sum.redis->calls) : 0;
        failed += sum.redis ? static_cast<double>(sum.redis->failed) : 0;
    }
    if (failed > 0 && calls > 0) {
        finding.weight = Finding::Weight::act;
        add_to(finding, percent(failed / calls) + " of the calls to Redis have failed",
               text("%.0f of %.0f calls", failed, calls));
    }
    if (!finding.says.empty()) analysis.findings.push_back(std::move(finding));
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
        {"journal", mean.journal, "the journal",
         "more shards do not make the disk faster; fsync = \"everysec\" instead of "
         "\"always\", or a faster disk does"},
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

/// Load that was turned away is in no figure of the stores.
void find_shed(Analysis& analysis, const std::vector<ShardProfile>& sums) {
    double rows = 0;
    double shed = 0;
    for (const ShardProfile& sum : sums) {
        rows += static_cast<double>(sum.rows);
        shed += static_cast<double>(sum.shed);
    }
    if (shed <= 0) return;
    analysis.shed = shed / (rows + shed);
    analysis.findings.push_back(
        {"shed", Finding::Weight::act,
         percent(analysis.shed) +
             " of all rows were answered with the overflow number, because the store, or the shard "
             "that has the pool, was slow or away: more was asked than the utilisation tells of",
         text("%.0f of %.0f rows", shed, rows + shed)});
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
    analysis.redis = redis_loads(profiles, options.knee);
    analysis.primaries = primaries_of(sums, analysis.redis.size());
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
    find_redis(analysis, sums, whole, options);
    find_waits(analysis);
    find_shed(analysis, sums);
    find_concurrency(analysis, sums);
    find_connections(analysis, sums, options);
    return analysis;
}

}  // namespace ringmaster::ops
