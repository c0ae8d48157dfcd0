#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ops/shard_profile.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What shards' measurements of themselves mean: where requests spend their time, how near the
/// shards are to where they begin to queue, and what would help. The method is that of capacity
/// planning for web servers with threads, such as Puma: measure running, idle and stalled time,
/// apply Amdahl's law, Little's law and the queueing curve, and show the arithmetic.
namespace ringmaster::ops {

/// Where the time of a request went, in seconds: means, or sums.
struct TimeParts {
    double running = 0;  ///< it had the shard's thread
    double stalled = 0;  ///< it was ready, and others had the thread
    // It waited:
    double journal = 0;  ///< for the shard's own writing
    double shards = 0;   ///< for another shard, which owns the pool
    double redis = 0;
    double other = 0;   ///< for a client, a time, a lock
    double queued = 0;  ///< before it came to the shard, where the proxy in front says when it came

    double idle() const noexcept { return journal + shards + redis + other; }
    /// Between its begin and its end in the shard.
    double total() const noexcept { return running + stalled + idle(); }
    /// idle / (running + idle); 0 where there is neither.
    double io_share() const noexcept;
};

/// Requests whose times, in order of length, are between two percentiles.
struct Band {
    double from = 0;     ///< a share of all, from 0 to 1
    double to = 1;       ///< likewise
    double longest = 0;  ///< of them, in seconds
    TimeParts mean;
};

/// p0-10, p10-50, p50-60, p60-90, p90-99, p99-99.9, p99.9-100: their bounds.
inline constexpr std::array<double, 8> kBandBounds = {0, 0.1, 0.5, 0.6, 0.9, 0.99, 0.999, 1};

struct RequestTimes {
    std::string endpoint;  ///< empty: all
    std::uint64_t requests = 0;
    double per_second = 0;
    TimeParts mean;
    /// Those that have requests enough to tell of: a band of a tenth percent needs a thousand.
    std::vector<Band> bands;
};

/// Where a shard stands on the curve of latency: what needs its thread for one millisecond takes
/// 1 / (1 - utilisation) milliseconds (M/M/1; Kleinrock, "Queueing Systems", vol. 1, 1975).
enum class Zone : std::uint8_t {
    easy,   ///< below half: there is hardly a queue
    usual,  ///< below the knee
    knee,   ///< above: each percent more of load costs more than the last one
};

struct ShardLoad {
    std::uint32_t shard = 0;
    double observed = 0;     ///< seconds
    double utilisation = 0;  ///< the share of time in which its thread did not wait for the kernel
    double busiest = 0;      ///< the same, of the busiest of the profiles that were given
    double cpu = 0;          ///< cores that the process took: more with its helper threads
    Zone zone = Zone::easy;  ///< by `busiest`
    double stretch = 1;      ///< 1 / (1 - busiest)
    double per_second = 0;   ///< requests
    double rows_per_second = 0;                     ///< of its own pools
    double lag_p50 = 0, lag_p99 = 0, lag_p999 = 0;  ///< seconds
};

/// A primary server of Redis, which carries out commands in one thread, whichever shard, of
/// whichever machine, they come from: more shards do not make it faster.
struct RedisLoad {
    std::string name;        ///< its address
    double observed = 0;     ///< seconds, by the shard that watched it longest
    double utilisation = 0;  ///< the share of time in which that thread had a processor
    double busiest = 0;      ///< the same, in the busiest of the profiles that were given
    Zone zone = Zone::easy;  ///< by `busiest`
    double headroom = 0;     ///< so many times this load it bears up to the knee: knee / busiest
};

/// What follows, for people: what to do, and why, with the arithmetic.
struct Finding {
    enum class Weight : std::uint8_t {
        fine,    ///< nothing to do
        notice,  ///< to be known
        act,     ///< something should be done
    };
    std::string topic;  ///< one or two words, e.g. "shards"
    Weight weight = Weight::fine;
    std::string says;
    std::string arithmetic;  ///< may be empty
};

struct AnalysisOptions {
    /// The share of time that a shard may be busy before queues grow quickly.
    double knee = 0.7;
    /// How much more than measured the shards should bear: 0.3 is 30 % more.
    double reserve = 0.3;
};

struct Analysis {
    WallTime begin{};
    WallTime end{};
    double observed = 0;  ///< seconds, of the shard that was observed longest
    double knee = AnalysisOptions().knee;
    RequestTimes all;
    std::vector<RequestTimes> endpoints;  ///< those with the most time first
    /// The share of all rows that were answered with the overflow number because the store, or the
    /// shard that has the pool, was slow or away: load that is missing in the other figures.
    double shed = 0;
    std::vector<ShardLoad> shards;
    /// The busiest first; empty where nothing is known of any. After a failover, more than
    /// primaries.
    std::vector<RedisLoad> redis;
    std::size_t primaries = 0;  ///< of Redis, at one time
    /// How many shards bear this load and the reserve below the knee. Nothing where no number of
    /// them does, because of what only one of them can do, or because Redis does not.
    std::optional<std::size_t> shards_needed;
    /// How many primaries of Redis do, if pools are spread evenly. Nothing where `redis` is empty.
    std::optional<std::size_t> primaries_needed;
    /// Connections to Redis that each shard needs for calls that wait for replicas, and how long a
    /// checkout should wait at most, in seconds. Nothing where there were no such calls.
    std::optional<std::size_t> connections_needed;
    std::optional<double> checkout_timeout;
    std::vector<Finding> findings;
};

/// `profiles` are what happened in some time (not since a start, where that is longer): several of
/// the same shard are added. Ordered by shard in the result. Nothing is found of an empty list.
Analysis analyse(const std::vector<ShardProfile>& profiles, const AnalysisOptions& options);

/// The share of callers who must wait where `connections` serve `offered` erlangs and who finds
/// none free waits (Erlang C); 1 where they do not suffice.
double erlang_c(double offered, std::size_t connections) noexcept;

}  // namespace ringmaster::ops
