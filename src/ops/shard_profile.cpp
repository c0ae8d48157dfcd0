#include "ringmaster/ops/shard_profile.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "line_reading.hpp"

namespace ringmaster::ops {

using runtime::TimeProfile;

namespace {

constexpr std::string_view kMagic = "ringmaster profile 1";
constexpr std::string_view kEnd = "end";
constexpr std::string_view kMissing = "missing";

/// The figures that count from a shard's start, in the order in which their line has them.
template <class Profile, class Visit>
void for_each_sum(Profile& profile, Visit&& visit) {
    visit(profile.rows);
    visit(profile.shed);
    for (auto& count : profile.lag.counts) visit(count);
}

std::uint64_t minus(std::uint64_t later, std::uint64_t earlier) noexcept {
    return later > earlier ? later - earlier : 0;
}

/// Of those with the largest figure so many, in descending order.
template <class T, class Figure>
void keep_most(std::vector<T>& all, std::size_t count, Figure T::*figure) {
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), count));
    std::ranges::partial_sort(all, last, std::ranges::greater(), figure);
    all.erase(last, all.end());
}

void subtract(std::vector<ShardProfile::PoolRows>& pools,
              const std::vector<ShardProfile::PoolRows>& earlier) {
    for (auto& pool : pools) {
        const auto before = std::ranges::find(earlier, pool.id, &ShardProfile::PoolRows::id);
        if (before != earlier.end()) pool.rows = minus(pool.rows, before->rows);
    }
}

void subtract(std::vector<ShardProfile::Endpoint>& endpoints,
              const std::vector<ShardProfile::Endpoint>& earlier) {
    for (auto& endpoint : endpoints) {
        const auto before =
            std::ranges::find(earlier, endpoint.name, &ShardProfile::Endpoint::name);
        if (before == earlier.end()) continue;
        for (const auto& [index, bucket] : before->buckets) endpoint.buckets[index] -= bucket;
        std::erase_if(endpoint.buckets, [](const auto& each) { return each.second.count == 0; });
    }
    std::erase_if(endpoints, [](const auto& endpoint) { return endpoint.buckets.empty(); });
}

void subtract(std::vector<ShardProfile::ServerLoad>& loads,
              const std::vector<ShardProfile::ServerLoad>& earlier) {
    using ServerLoad = ShardProfile::ServerLoad;
    for (ServerLoad& load : loads) {
        const auto before = std::ranges::find(earlier, load.name, &ServerLoad::name);
        if (before == earlier.end()) continue;
        load.observed -= before->observed;
        load.busy -= before->busy;
    }
    std::erase_if(loads, [](const ServerLoad& load) { return load.observed.count() <= 0; });
    std::ranges::stable_sort(loads, std::ranges::greater(), &ServerLoad::busy);
}

void subtract(ShardProfile::Redis& redis, const ShardProfile::Redis& earlier) {
    redis.calls = minus(redis.calls, earlier.calls);
    redis.failed = minus(redis.failed, earlier.failed);
    auto& connections = redis.connections;
    connections.checkouts = minus(connections.checkouts, earlier.connections.checkouts);
    connections.timeouts = minus(connections.timeouts, earlier.connections.timeouts);
    connections.lent -= earlier.connections.lent;
    connections.waited -= earlier.connections.waited;
    subtract(redis.loads, earlier.loads);
}

void add_redis(std::optional<ShardProfile::Redis>& sum, const ShardProfile::Redis& more) {
    if (!sum) sum = ShardProfile::Redis();
    sum->servers = more.servers;
    sum->calls += more.calls;
    sum->failed += more.failed;
    auto& connections = sum->connections;
    connections.size = more.connections.size;
    connections.checkouts += more.connections.checkouts;
    connections.timeouts += more.connections.timeouts;
    connections.lent = saturating_sum(connections.lent, more.connections.lent);
    connections.waited = saturating_sum(connections.waited, more.connections.waited);
    for (const auto& load : more.loads) {
        const auto here = std::ranges::find(sum->loads, load.name, &ShardProfile::ServerLoad::name);
        if (here == sum->loads.end()) {
            sum->loads.push_back(load);
            continue;
        }
        here->observed = saturating_sum(here->observed, load.observed);
        here->busy = saturating_sum(here->busy, load.busy);
    }
    sum->set_loads(std::move(sum->loads));
}

std::int64_t ms(WallTime time) {
    return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

/// Reads one profile after the other, and knows in which line it is.
class Decoder {
  public:
    explicit Decoder(std::string_view text) noexcept : rest_(text) {}

    Result<DecodedProfiles> all();

  private:
    // False where the text ends, or where error_ says what is wrong.
    bool missing(DecodedProfiles& decoded);
    bool profile(ShardProfile& profile);
    bool head(ShardProfile& profile);
    bool lag(LagCounts& lag);
    bool pool(std::string_view line, ShardProfile& profile);
    bool redis(std::string_view line, ShardProfile& profile);
    bool server(std::string_view line, ShardProfile& profile);
    bool endpoint(std::string_view line, ShardProfile& profile);
    bool bucket(std::string_view line, ShardProfile& profile);

    bool next(std::string_view& line) {
        const auto taken = take_line(rest_);
        if (!taken) {
            torn_ = true;
            return false;
        }
        ++line_;
        line = *taken;
        return true;
    }
    bool expected(const char* what) {
        error_ = Error{ErrorCode::damaged, "line " + std::to_string(line_) + ": expected " + what};
        return false;
    }

    std::string_view rest_;
    std::size_t line_ = 0;
    bool torn_ = false;
    std::optional<Error> error_;
};

// So that sums of many stay within 64 bits.
constexpr std::uint64_t kMostCount = std::uint64_t{1} << 53;

bool take_count(std::string_view& line, std::uint64_t& count) noexcept {
    return take_number(line, count) && count < kMostCount;
}

bool take_ns(std::string_view& line, ShardProfile::Duration& duration) noexcept {
    std::int64_t ns = 0;
    if (!take_number(line, ns) || ns < 0) return false;
    duration = ShardProfile::Duration(ns);
    return true;
}

bool take_time(std::string_view& line, WallTime& time) noexcept {
    std::int64_t since_epoch = 0;
    constexpr std::int64_t kMostMs = std::int64_t{1} << 43;  // in the year 2248
    if (!take_number(line, since_epoch) || since_epoch < 0 || since_epoch >= kMostMs) return false;
    time = WallTime(std::chrono::milliseconds(since_epoch));
    return true;
}

Result<DecodedProfiles> Decoder::all() {
    DecodedProfiles decoded;
    while (!rest_.empty()) {
        if (rest_.starts_with(kMissing)) {
            if (!missing(decoded)) break;
            continue;
        }
        ShardProfile next;
        if (profile(next)) {
            decoded.profiles.push_back(std::move(next));
        } else {
            break;
        }
    }
    if (error_) return *error_;
    decoded.torn = torn_;
    return decoded;
}

bool Decoder::missing(DecodedProfiles& decoded) {
    std::string_view line;
    std::uint32_t shard = 0;
    if (!next(line)) return false;
    if (!take_word(line, kMissing) || !take_number(line, shard) || !line.empty()) {
        return expected("missing, and a shard");
    }
    decoded.missing.push_back(shard);
    return true;
}

bool Decoder::profile(ShardProfile& profile) {
    if (!head(profile)) return false;
    std::string_view line;
    while (next(line)) {
        if (line == kEnd) return true;
        if (take_word(line, "pool")) {
            if (!pool(line, profile)) return expected("a pool's rows and id");
        } else if (take_word(line, "redis")) {
            if (!redis(line, profile)) return expected("eight figures of Redis");
        } else if (take_word(line, "server")) {
            if (!server(line, profile)) return expected("two times of a server of Redis, its name");
        } else if (take_word(line, "endpoint")) {
            if (!endpoint(line, profile)) return expected("an endpoint's name");
        } else if (take_word(line, "bucket")) {
            if (!bucket(line, profile)) return expected("a bucket of an endpoint, with 9 numbers");
        } else {
            return expected("pool, redis, server, endpoint, bucket or end");
        }
    }
    return false;
}

bool Decoder::head(ShardProfile& profile) {
    std::string_view line;
    if (!next(line)) return false;
    if (line != kMagic) return expected("\"ringmaster profile 1\"");
    if (!next(line)) return false;
    const bool good = take_word(line, "shard") && take_number(line, profile.shard) &&
                      take_time(line, profile.started) && take_time(line, profile.begin) &&
                      take_time(line, profile.end) && take_ns(line, profile.observed) &&
                      take_count(line, profile.cores) && take_count(line, profile.most_in_flight) &&
                      line.empty();
    if (!good) return expected("a shard, its times and its limits");
    if (!next(line)) return false;
    if (!take_word(line, "work") || !take_ns(line, profile.busy) || !take_ns(line, profile.cpu)) {
        return expected("work, how long the thread was busy, and the processor's time");
    }
    bool counts = true;
    for_each_sum(profile, [&](std::uint64_t& sum) { counts = counts && take_count(line, sum); });
    if (!counts || !line.empty()) return expected("work, with its counts");
    return true;
}

bool Decoder::pool(std::string_view line, ShardProfile& profile) {
    ShardProfile::PoolRows pool;
    if (profile.pools.size() == ShardProfile::kMostPools || !take_count(line, pool.rows) ||
        line.empty() || line.size() > ShardProfile::kMostName) {
        return false;
    }
    pool.id = line;
    profile.pools.push_back(std::move(pool));
    return true;
}

bool Decoder::redis(std::string_view line, ShardProfile& profile) {
    ShardProfile::Redis redis;
    auto& connections = redis.connections;
    const bool good = take_count(line, redis.servers) && take_count(line, redis.calls) &&
                      take_count(line, redis.failed) && take_count(line, connections.size) &&
                      take_count(line, connections.checkouts) &&
                      take_count(line, connections.timeouts) && take_ns(line, connections.lent) &&
                      take_ns(line, connections.waited) && line.empty();
    if (!good || profile.redis) return false;
    profile.redis = std::move(redis);
    return true;
}

bool Decoder::server(std::string_view line, ShardProfile& profile) {
    ShardProfile::ServerLoad load;
    if (!profile.redis || profile.redis->loads.size() == ShardProfile::kMostServers ||
        !take_ns(line, load.observed) || !take_ns(line, load.busy) || line.empty() ||
        line.size() > ShardProfile::kMostName) {
        return false;
    }
    load.name = line;
    profile.redis->loads.push_back(std::move(load));
    return true;
}

bool Decoder::endpoint(std::string_view line, ShardProfile& profile) {
    if (profile.endpoints.size() == ShardProfile::kMostEndpoints || line.empty() ||
        line.size() > ShardProfile::kMostName) {
        return false;
    }
    profile.endpoints.push_back({std::string(line), {}});
    return true;
}

bool Decoder::bucket(std::string_view line, ShardProfile& profile) {
    std::size_t index = 0;
    ShardProfile::Bucket bucket;
    if (profile.endpoints.empty() || !take_number(line, index) || index >= TimeProfile::kBuckets ||
        !take_count(line, bucket.count) || bucket.count == 0) {
        return false;
    }
    bool good = take_ns(line, bucket.times.running) && take_ns(line, bucket.times.stalled);
    for (auto& part : bucket.times.waited) good = good && take_ns(line, part);
    good = good && take_ns(line, bucket.queued) && line.empty();
    return good && profile.endpoints.back().buckets.emplace(index, bucket).second;
}

}  // namespace

std::chrono::nanoseconds LagCounts::bound(std::size_t i) noexcept {
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(1000.0 * std::exp2(static_cast<double>(i) / 4)));
}

LagCounts::LagCounts(const Histogram& lag) {
    std::array<std::chrono::nanoseconds, kBounds> bounds;
    for (std::size_t i = 0; i < kBounds; ++i) bounds[i] = bound(i);
    lag.count_up_to(bounds, counts);
    counts.back() = lag.count();
    // What count_up_to() tells is cumulative.
    for (std::size_t i = kBounds - 1; i > 0; --i) counts[i] -= counts[i - 1];
}

std::uint64_t LagCounts::count() const noexcept {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::chrono::nanoseconds LagCounts::quantile(double q) const noexcept {
    const std::uint64_t all = count();
    if (all == 0) return std::chrono::nanoseconds(0);
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all)));
    const std::uint64_t wanted = std::clamp<std::uint64_t>(rank, 1, all);
    std::uint64_t counted = 0;
    std::size_t i = 0;
    while ((counted += counts[i]) < wanted) ++i;
    return bound(i);
}

void ShardProfile::add_endpoint(std::string_view name, const TimeProfile& times) {
    Endpoint endpoint{std::string(name), {}};
    for (std::size_t i = 0; i < TimeProfile::kBuckets; ++i) {
        if (times.buckets()[i].count > 0) endpoint.buckets.emplace(i, times.buckets()[i]);
    }
    if (!endpoint.buckets.empty()) endpoints.push_back(std::move(endpoint));
}

void ShardProfile::set_pools(std::vector<PoolRows> all) {
    keep_most(all, kMostPools, &PoolRows::rows);
    pools = std::move(all);
}

void ShardProfile::Redis::set_loads(std::vector<ServerLoad> all) {
    std::erase_if(all, [](const ServerLoad& load) {
        return load.observed.count() <= 0 || load.name.empty();
    });
    keep_most(all, kMostServers, &ServerLoad::busy);
    for (ServerLoad& load : all) {
        // A server may call itself what it likes.
        load.name.resize(std::min(load.name.size(), kMostName));
        std::ranges::replace(load.name, '\n', ' ');
    }
    loads = std::move(all);
}

ShardProfile ShardProfile::since(const ShardProfile& earlier) const {
    ShardProfile change = *this;
    if (started != earlier.started || shard != earlier.shard) return change;
    change.begin = earlier.end;
    change.observed -= earlier.observed;
    change.busy -= earlier.busy;
    change.cpu -= earlier.cpu;
    change.rows = minus(rows, earlier.rows);
    change.shed = minus(shed, earlier.shed);
    for (std::size_t i = 0; i < LagCounts::kBounds; ++i) {
        change.lag.counts[i] = minus(lag.counts[i], earlier.lag.counts[i]);
    }
    subtract(change.pools, earlier.pools);
    std::ranges::stable_sort(change.pools, std::ranges::greater(), &PoolRows::rows);
    if (change.redis && earlier.redis) subtract(*change.redis, *earlier.redis);
    subtract(change.endpoints, earlier.endpoints);
    return change;
}

void ShardProfile::add(const ShardProfile& other) {
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end);
    observed = saturating_sum(observed, other.observed);
    cores = other.cores;
    most_in_flight = other.most_in_flight;
    busy = saturating_sum(busy, other.busy);
    cpu = saturating_sum(cpu, other.cpu);
    rows += other.rows;
    shed += other.shed;
    for (std::size_t i = 0; i < LagCounts::kBounds; ++i) lag.counts[i] += other.lag.counts[i];
    for (const PoolRows& more : other.pools) {
        const auto here = std::ranges::find(pools, more.id, &PoolRows::id);
        here == pools.end() ? pools.push_back(more) : void(here->rows += more.rows);
    }
    set_pools(std::move(pools));
    if (other.redis) add_redis(redis, *other.redis);
    for (const Endpoint& more : other.endpoints) {
        auto here = std::ranges::find(endpoints, more.name, &Endpoint::name);
        if (here == endpoints.end()) here = endpoints.insert(here, {more.name, {}});
        for (const auto& [index, bucket] : more.buckets) here->buckets[index] += bucket;
    }
}

void append_profile(std::string& out, const ShardProfile& profile) {
    const auto add = [&](auto number) { out.append(" ").append(std::to_string(number)); };
    out.append(kMagic).append("\nshard");
    add(profile.shard);
    for (const WallTime time : {profile.started, profile.begin, profile.end}) add(ms(time));
    add(profile.observed.count());
    add(profile.cores);
    add(profile.most_in_flight);
    out.append("\nwork");
    add(profile.busy.count());
    add(profile.cpu.count());
    for_each_sum(profile, add);
    out += '\n';
    for (const auto& pool :
         std::span(profile.pools).first(std::min(profile.pools.size(), ShardProfile::kMostPools))) {
        out += "pool";
        add(pool.rows);
        out.append(" ").append(pool.id).append("\n");
    }
    if (const auto& redis = profile.redis) {
        const auto& connections = redis->connections;
        out += "redis";
        for (const std::uint64_t count :
             {redis->servers, redis->calls, redis->failed, connections.size, connections.checkouts,
              connections.timeouts}) {
            add(count);
        }
        add(connections.lent.count());
        add(connections.waited.count());
        out += '\n';
        for (const auto& load :
             std::span(redis->loads)
                 .first(std::min(redis->loads.size(), ShardProfile::kMostServers))) {
            out += "server";
            add(load.observed.count());
            add(load.busy.count());
            out.append(" ").append(load.name).append("\n");
        }
    }
    for (const auto& endpoint : profile.endpoints) {
        out.append("endpoint ").append(endpoint.name).append("\n");
        for (const auto& [index, bucket] : endpoint.buckets) {
            out += "bucket";
            add(index);
            add(bucket.count);
            add(bucket.times.running.count());
            add(bucket.times.stalled.count());
            for (const auto part : bucket.times.waited) add(part.count());
            add(bucket.queued.count());
            out += '\n';
        }
    }
    out.append(kEnd).append("\n");
}

void append_missing(std::string& out, std::uint32_t shard) {
    out.append(kMissing).append(" ").append(std::to_string(shard)).append("\n");
}

Result<DecodedProfiles> decode_profiles(std::string_view text) {
    return Decoder(text).all();
}

}  // namespace ringmaster::ops
