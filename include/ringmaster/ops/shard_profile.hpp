#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/histogram.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/time_profile.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ops {

/// How long the kernel's events waited for a thread, in steps that are good for quantiles.
class LagCounts {
  public:
    static constexpr std::size_t kBounds = 96;
    /// The longest that counts[i] counts, i ascending: 4 steps to each power of two, from 1 us.
    static std::chrono::nanoseconds bound(std::size_t i) noexcept;

    LagCounts() = default;
    explicit LagCounts(const Histogram& lag);

    std::uint64_t count() const noexcept;
    /// As Histogram::quantile(), to a fifth of itself.
    std::chrono::nanoseconds quantile(double q) const noexcept;

    std::array<std::uint64_t, kBounds> counts{};  ///< what is longer than all is in the last
};

/// What a shard has measured of itself: from its start up to a time, or between two times. Sums
/// only, so that profiles of a shard can be subtracted (what has happened meanwhile) and added.
struct ShardProfile {
    using Duration = std::chrono::nanoseconds;
    using Bucket = runtime::TimeProfile::Bucket;

    struct Endpoint {
        std::string name;
        std::map<std::size_t, Bucket> buckets;  ///< of runtime::TimeProfile, those with something
        friend bool operator==(const Endpoint&, const Endpoint&) = default;
    };
    struct PoolRows {
        std::string id;
        std::uint64_t rows = 0;
        friend bool operator==(const PoolRows&, const PoolRows&) = default;
    };
    /// Connections of which each serves one caller at a time.
    struct Connections {
        std::uint64_t size = 0;  ///< there may be; not a sum
        std::uint64_t checkouts = 0;
        std::uint64_t timeouts = 0;  ///< of these, in vain
        Duration lent{};
        Duration waited{};
        friend bool operator==(const Connections&, const Connections&) = default;
    };
    /// A server of Redis, whoever gave it work: all shards see the same.
    struct ServerLoad {
        std::string name;     ///< its address
        Duration observed{};  ///< it was watched; without the times in which it was started
        Duration busy{};      ///< its main thread had a processor, meanwhile
        friend bool operator==(const ServerLoad&, const ServerLoad&) = default;
    };
    struct Redis {
        std::uint64_t servers = 0;  ///< not a sum
        std::uint64_t calls = 0;
        std::uint64_t failed = 0;       ///< of these, without an answer
        Connections connections{};      ///< for calls that wait for replicas
        std::vector<ServerLoad> loads;  ///< of primaries, the busiest first
        friend bool operator==(const Redis&, const Redis&) = default;

        /// Keeps the kMostServers busiest of those that have been watched for some time. Names are
        /// made such that they can be written.
        void set_loads(std::vector<ServerLoad> all);
    };
    /// More pools, servers, endpoints, or characters of a name are not written.
    static constexpr std::size_t kMostPools = 20;
    static constexpr std::size_t kMostServers = 64;
    static constexpr std::size_t kMostEndpoints = 64;
    static constexpr std::size_t kMostName = 256;

    std::uint32_t shard = 0;
    WallTime started{};  ///< the process: nothing can be subtracted across a restart
    WallTime begin{};
    WallTime end{};
    Duration observed{};               ///< that is measured: of a sum, without the gaps between
    std::uint64_t cores = 1;           ///< that the process may use
    std::uint64_t most_in_flight = 0;  ///< requests at one time: more are refused
    Duration busy{};                   ///< the shard's thread did not wait for the kernel
    Duration cpu{};                    ///< of the process, user and system
    LagCounts lag;
    std::uint64_t rows = 0;  ///< answered from the shard's own pools
    /// Answered with the overflow number because the store, or the shard that has the pool, was
    /// slow or away.
    std::uint64_t shed = 0;
    std::vector<PoolRows> pools;  ///< those with the most of them, descending
    std::optional<Redis> redis;
    std::vector<Endpoint> endpoints;

    /// Adds those with something in them.
    void add_endpoint(std::string_view name, const runtime::TimeProfile& times);
    /// Keeps the kMostPools of them with the most rows.
    void set_pools(std::vector<PoolRows> all);

    /// What has happened since `earlier` was made: all of it where the shard has been started again
    /// since.
    ShardProfile since(const ShardProfile& earlier) const;
    /// Adds what happened at another time.
    void add(const ShardProfile& other);
};

/// Appends a profile: lines of text. Several stand one behind the other.
void append_profile(std::string& out, const ShardProfile& profile);
/// Says, in place of one, that there is none of this shard.
void append_missing(std::string& out, std::uint32_t shard);

struct DecodedProfiles {
    std::vector<ShardProfile> profiles;
    std::vector<std::uint32_t> missing;
    /// The last one is not whole: its writer was killed.
    bool torn = false;
};
/// ErrorCode::damaged says in which line, and what was expected.
Result<DecodedProfiles> decode_profiles(std::string_view text);

}  // namespace ringmaster::ops
