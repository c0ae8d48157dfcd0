#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/events_api.hpp"
#include "ringmaster/api/history_api.hpp"
#include "ringmaster/api/number_streams.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/pools_api.hpp"
#include "ringmaster/app/demand_recorder.hpp"
#include "ringmaster/app/profile_recorder.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/flow/ease_in_gate.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/store/embedded_store.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ringmaster::app {

enum class LogFormat { text, json };

struct LogOptions {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    std::filesystem::path file;  ///< empty: standard error
};

/// How a shard asks the others, and what it does where one of them is silent.
struct PeerConfig {
    flow::EaseInGateOptions gate;  ///< one for each of the others
    std::size_t max_call_rows = 0;
    std::size_t max_parts_under_way = 0;
    std::chrono::milliseconds admin_deadline{0};
    std::chrono::milliseconds takeover_after{0};  ///< 0: never
};

/// Redis as the store, and how a shard asks it.
struct RedisConfig {
    std::string url;  ///< secret; empty: the embedded store is used
    std::filesystem::path url_file;
    redis::ClientOptions client;   ///< with the URL in its parts
    std::string prefix;            ///< of all keys
    flow::EaseInGateOptions gate;  ///< in front of it
    unsigned wait_replicas = 0;    ///< that must have an allocation before it is told; 0: none
    std::chrono::milliseconds start_timeout{0};   ///< for Redis to be there when a shard starts
    std::chrono::milliseconds catalog_period{0};  ///< how often it is asked for changes of pools
    std::chrono::milliseconds admin_deadline{0};

    /// False where the text is not "" and not a URL that parse_redis_url() reads.
    bool set_url(const std::string& text);
    /// Whether it is used.
    bool enabled() const noexcept { return !url.empty(); }
};

struct MetricsConfig {
    api::ReadAccess access = api::ReadAccess::everybody;
    std::size_t max_pools = 0;  ///< of a shard that are told one by one
};

struct StatusConfig {
    api::ReadAccess access = api::ReadAccess::everybody;
    std::size_t max_watchers = 0;  ///< of one shard
};

struct PoolConfig {
    ringpool::PoolDefinition definition;
    std::filesystem::path numbers_file;  ///< empty: its numbers are not the file's business
};

/// One setting, as text: for telling which ones differ between two configurations.
struct Setting {
    std::string name;  ///< "[server] backlog"
    std::string value;
    friend bool operator==(const Setting&, const Setting&) = default;
};

/// What the configuration file says, checked, in the terms of those who use it. Keys, units,
/// defaults and bounds stand in one table, in config.cpp.
struct Config {
    std::filesystem::path file;  ///< where it was read
    net::Endpoint listen;
    std::size_t shards = 0;          ///< 0: as many as there are cores for it
    net::Endpoint shard_listen;      ///< of the first shard alone; port 0: the one after listen's
    std::filesystem::path run_dir;   ///< of Unix sockets: their paths fit an address
    std::filesystem::path pid_file;  ///< empty: none
    http::ServerLimits server;
    std::size_t gzip_min_bytes = 0;  ///< 0: nothing is compressed
    std::size_t max_requests_in_flight = 0;
    std::chrono::milliseconds drain_timeout{0};
    api::ApiLimits api;
    api::NumberStreamLimits streams;
    std::vector<std::string> cors_origins;  ///< as http::CorsOptions has them; empty: no CORS
    std::string admin_token;                ///< secret; empty: nobody is an administrator
    std::filesystem::path admin_token_file;
    api::PoolsApiLimits pools_api;
    api::HistoryApiLimits history_api;
    api::EventsApiOptions events;
    DemandOptions demand;
    ProfileOptions analysis;
    PeerConfig peers;
    std::size_t stack_bytes = 0;
    std::chrono::milliseconds stall_warning{0};
    store::EmbeddedStoreOptions store;  ///< history and limits are those of Redis, too
    RedisConfig redis;
    MetricsConfig metrics;
    StatusConfig status;
    LogOptions log;
    bool access_log = false;
    std::vector<PoolConfig> pools;
    /// All of the above but the pools, defaults included, in the order of the table. Some are
    /// secret.
    std::vector<Setting> settings;
};

/// Reads the file. Relative paths in it are taken from its own directory. Fails with
/// ErrorCode::not_found where it can't be read, else with ErrorCode::invalid and a text that tells
/// every problem in a line of its own: "FILE:LINE:COLUMN: what was found, and what is expected".
/// (Only the first where the file is not TOML: what follows can't be trusted.) Neither a pool's key
/// nor the admin token is ever part of the text.
Result<Config> load_config(const std::filesystem::path& file);

/// The names of the settings that are not the same in both, for people: "[server] backlog, [log]
/// level". Empty: none. Without their values: there are secrets among them.
std::string different_settings(const Config& one, const Config& other);

}  // namespace ringmaster::app
