#include "config_sections.hpp"

#include "ringmaster/app/admin_token.hpp"
#include "ringmaster/http/middleware/cors.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/shard/placement.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::app {
namespace {

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;
constexpr std::int64_t kGiB = 1024 * kMiB;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDaySeconds = 86'400;

std::vector<Key> operator+(std::vector<Key> keys, std::vector<Key> more) {
    std::ranges::move(more, std::back_inserter(keys));
    return keys;
}

struct GateDefaults {  // ms
    std::int64_t deadline;
    std::int64_t latency_floor;
    std::int64_t max_cooldown;
};
std::vector<Key> gate_keys(flow::EaseInGateOptions& gate, const GateDefaults& standard) {
    return {
        integer_key("deadline_ms", gate.deadline, "ms", standard.deadline, 1, kHourMs),
        integer_key("latency_floor_ms", gate.latency_floor, "ms", standard.latency_floor, 0,
                    kHourMs),
        percent_key("latency_factor_percent", gate.latency_factor, 300, 100, 100'000),
        percent_key("max_missed_percent", gate.max_missed_share, 20, 0, 99),
        integer_key("interval_ms", gate.interval, "ms", 100, 1, kHourMs),
        integer_key("min_calls", gate.min_calls, "calls", 20, 1, 1'000'000),
        integer_key("max_in_flight", gate.max_in_flight, "calls", 1024, 1, 65'536),
        integer_key("min_cooldown_ms", gate.min_cooldown, "ms", 250, 1, kHourMs),
        integer_key("max_cooldown_ms", gate.max_cooldown, "ms", standard.max_cooldown, 1, kHourMs),
    };
}

/// Why it is no good is told without it, for there may be a password in it.
Key url_key(std::string_view name, RedisConfig& redis) {
    return string_key(
        name, std::string(kGoodRedisUrl),
        [&redis](const std::string& text) { return redis.set_url(text); },
        [&redis] { return redis.url; });
}

Key prefix_key(std::string_view name, std::string& prefix) {
    prefix = "ringmaster";
    return string_key(
        name, "1 to 64 characters without blanks and braces",
        [&prefix](const std::string& text) {
            prefix = text;
            return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
                return c > ' ' && c < 0x7f && c != '{' && c != '}';
            });
        },
        [&prefix] { return prefix; });
}

Key access_key(std::string_view name, api::ReadAccess& access) {
    return choice_key(name, access, api::ReadAccess::everybody,
                      {{"public", api::ReadAccess::everybody}, {"admin", api::ReadAccess::admin}});
}

}  // namespace

bool RedisConfig::set_url(const std::string& text) {
    url = text;
    client.url = {};
    if (text.empty()) return true;
    auto parsed = redis::parse_redis_url(text);
    if (!parsed) return false;
    client.url = *std::move(parsed);
    return true;
}

// Integers: name, target, unit, default, least, most.
std::vector<Section> config_sections(Config& c, const std::filesystem::path& base) {
    auto& server = c.server;
    auto& request = c.server.request;
    auto& context = c.api.context;
    auto& redis = c.redis;
    auto& client = c.redis.client;
    return {
        {"server",
         {address_key("listen", c.listen, "127.0.0.1:8080"),
          count_or_auto_key("shards", c.shards, shard::Placement::kMaxShards),
          address_key("shard_listen", c.shard_listen, "127.0.0.1:0"),
          path_key("run_dir", c.run_dir, base, "data/run", false),
          path_key("pid_file", c.pid_file, base, "", true),
          integer_key("backlog", server.backlog, "connections", 1024, 1, 65'535),
          integer_key("max_connections", server.max_connections, "connections", 15'000, 1,
                      1'000'000),
          integer_key("max_requests_in_flight", c.max_requests_in_flight, "requests", 1024, 1,
                      65'536),
          integer_key("pipeline_depth", server.pipeline_depth, "requests", 64, 1, 65'536),
          integer_key("header_timeout_ms", server.header_timeout, "ms", 10'000, 1, kHourMs),
          integer_key("body_timeout_ms", server.body_timeout, "ms", 30'000, 1, kHourMs),
          integer_key("idle_timeout_ms", server.idle_timeout, "ms", 75'000, 1, 24 * kHourMs),
          integer_key("write_timeout_ms", server.write_timeout, "ms", 30'000, 1, kHourMs),
          integer_key("half_close_timeout_ms", server.half_close_timeout, "ms", 1'000, 0, kHourMs),
          integer_key("request_timeout_ms", server.request_timeout, "ms", 2'000, 1, kHourMs),
          integer_key("drain_timeout_ms", c.drain_timeout, "ms", 10'000, 0, kHourMs),
          integer_key("max_target_bytes", request.target_bytes, "bytes", 8 * kKiB, 64, kMiB),
          integer_key("max_head_bytes", request.head_bytes, "bytes", 32 * kKiB, 256, 16 * kMiB),
          integer_key("max_headers", request.header_count, "fields", 100, 1, 10'000),
          integer_key("max_body_bytes", request.body_bytes, "bytes", 4 * kMiB, 0, kGiB),
          integer_key("output_high_water_bytes", server.output_high_water_bytes, "bytes",
                      256 * kKiB, 4 * kKiB, kGiB),
          integer_key("gzip_min_bytes", c.gzip_min_bytes, "bytes; 0 for never", 0, 0, kMiB)}},
        {"peers",
         gate_keys(c.peers.gate, {.deadline = 50, .latency_floor = 10, .max_cooldown = 30'000}) +
             std::vector<Key>{
                 integer_key("max_call_rows", c.peers.max_call_rows, "rows", 1024, 1, 65'536),
                 integer_key("max_parts_under_way", c.peers.max_parts_under_way, "calls", 1, 1,
                             1024),
                 integer_key("admin_deadline_ms", c.peers.admin_deadline, "ms", 30'000, 1, kHourMs),
                 integer_key("takeover_after_ms", c.peers.takeover_after, "ms; 0 for never", 500, 0,
                             kHourMs)}},
        {"api",
         {integer_key("max_batch", c.api.max_batch, "rows", 1000, 1, 100'000),
          integer_key("max_context_parameters", context.max_parameters, "parameters", 32, 0,
                      ringpool::ContextBuilder::kCapacity),
          integer_key("max_context_name_bytes", context.max_name_bytes, "bytes", 64, 1, 255),
          integer_key("max_context_value_bytes", context.max_value_bytes, "bytes", 2048, 0, 65'535),
          integer_key("max_session_bytes", c.api.max_session_bytes, "bytes", 256, 1, 65'535),
          integer_key("max_request_id_bytes", c.api.max_request_id_bytes, "bytes", 256, 0,
                      65'535)}},
        {"streams",
         {integer_key("max_streams", c.streams.max_streams, "streams", 20'000, 1, 1'000'000),
          integer_key("ping_ms", c.streams.ping, "ms", 15'000, 100, kHourMs),
          integer_key("retry_ms", c.streams.retry, "ms", 3'000, 0, kHourMs),
          integer_key("renewal_batch", c.streams.max_batch, "rows", 1000, 1, 100'000),
          integer_key("renewal_timeout_ms", c.streams.renewal_timeout, "ms", 2'000, 1, kHourMs)}},
        {"cors",
         {list_key("origins", c.cors_origins,
                   "up to 100 origins like \"https://example.com\", or [\"*\"]",
                   [](const std::vector<std::string>& origins) {
                       constexpr std::size_t kMost = 100;
                       return origins == std::vector<std::string>{"*"} ||
                              (origins.size() <= kMost &&
                               std::ranges::all_of(origins, http::is_origin));
                   })}},
        {"admin",
         {secret(string_key(
              "token", kGoodAdminToken,
              [&c](const std::string& text) {
                  c.admin_token = text;
                  return text.empty() || is_good_admin_token(text);
              },
              [&c] { return c.admin_token; })),
          path_key("token_file", c.admin_token_file, base, "", true),
          integer_key("page_numbers", c.pools_api.page_numbers, "numbers", 1000, 1, 100'000),
          integer_key("max_page_numbers", c.pools_api.max_page_numbers, "numbers", 10'000, 1,
                      100'000),
          integer_key("max_refusals_told", c.pools_api.max_refusals_told, "numbers", 100, 1,
                      100'000),
          integer_key("max_holders", c.history_api.max_holders, "holders", 1000, 1, 100'000)}},
        {"events",
         {integer_key("max_readers", c.events.hub.max_readers, "readers", 16, 0, 1000),
          integer_key("max_buffer_bytes", c.events.hub.max_buffer_bytes, "bytes", 8 * kMiB,
                      64 * kKiB, kGiB),
          integer_key("ping_ms", c.events.ping, "ms", 15'000, 100, kHourMs)}},
        {"advice",
         {integer_key("keep_hours", c.demand.keep_hours, "hours", 168, 24, ops::kMostDemandHours),
          integer_key("least_hours", c.demand.least_observed, "hours", 24, 1,
                      ops::kMostDemandHours),
          integer_key("sample_ms", c.demand.sample_period, "ms", 60'000, 100, kHourMs),
          integer_key("save_ms", c.demand.save_period, "ms", 600'000, 100, 24 * kHourMs)}},
        {"analysis",
         {boolean_key("record", c.analysis.record, false),
          path_key("directory", c.analysis.directory, base, "data/analysis", false),
          integer_key("period_ms", c.analysis.period, "ms", 10'000, 100, kHourMs),
          integer_key("max_bytes", c.analysis.max_bytes, "bytes", 64 * kMiB, kMiB, 16 * kGiB)}},
        {"runtime",
         {integer_key("stack_bytes", c.stack_bytes, "bytes", 64 * kKiB, 16 * kKiB, 8 * kMiB),
          integer_key("stall_warning_ms", c.stall_warning, "ms; 0 for none", 25, 0, kHourMs)}},
        {"store",
         {path_key("data_dir", c.store.directory, base, "data/store", false),
          choice_key("fsync", c.store.fsync, store::Fsync::everysec,
                     {{"always", store::Fsync::always},
                      {"everysec", store::Fsync::everysec},
                      {"never", store::Fsync::never}}),
          integer_key("segment_bytes", c.store.segment_bytes, "bytes", 64 * kMiB, 4 * kKiB, kGiB),
          integer_key("snapshot_after_bytes", c.store.snapshot_after_bytes, "bytes", 256 * kMiB,
                      4 * kKiB, 1024 * kGiB),
          integer_key<std::chrono::days>("history_days", c.store.history, "days", 90, 0, 36'500),
          integer_key("history_max_bytes", c.store.history_max_bytes, "bytes; 0 for no limit", 0, 0,
                      1024 * 1024 * kGiB),
          integer_key("max_pools", c.store.max_pools, "pools", 10'000, 1, 1'000'000),
          integer_key("max_numbers_per_pool", c.store.max_numbers, "numbers",
                      ringpool::RingPool::kMaxNumbers, 1, ringpool::RingPool::kMaxNumbers)}},
        {"redis",
         gate_keys(redis.gate, {.deadline = 100, .latency_floor = 20, .max_cooldown = 2'000}) +
             std::vector<Key>{
                 secret(url_key("url", redis)),
                 path_key("url_file", redis.url_file, base, "", true),
                 prefix_key("prefix", redis.prefix),
                 integer_key("wait_replicas", redis.wait_replicas, "replicas; 0 for none", 0, 0,
                             100),
                 integer_key("wait_connections", client.pool.size, "connections", 16, 1, 10'000),
                 integer_key("wait_idle_timeout_ms", client.pool.idle_timeout, "ms", 300'000, 1,
                             kHourMs),
                 integer_key("connect_timeout_ms", client.connect_timeout, "ms", 500, 1, kHourMs),
                 integer_key("reconnect_first_ms", client.reconnect_first, "ms", 20, 1, kHourMs),
                 integer_key("reconnect_most_ms", client.reconnect_most, "ms", 1'000, 1, kHourMs),
                 integer_key("topology_period_ms", client.topology_period, "ms", 30'000, 100,
                             kHourMs),
                 integer_key("max_reply_bytes", client.max_reply_bytes, "bytes", 64 * kMiB,
                             64 * kKiB, kGiB),
                 integer_key("max_queued_bytes", client.max_queued_bytes, "bytes", 16 * kMiB,
                             64 * kKiB, kGiB),
                 integer_key("max_pending_calls", client.max_pending_calls, "commands", 10'000, 1,
                             1'000'000),
                 integer_key("catalog_period_ms", redis.catalog_period, "ms", 1'000, 10, kHourMs),
                 integer_key("start_timeout_ms", redis.start_timeout, "ms", 30'000, 1, kHourMs),
                 integer_key("admin_deadline_ms", redis.admin_deadline, "ms", 30'000, 1, kHourMs)}},
        {"metrics",
         {access_key("access", c.metrics.access),
          integer_key("max_pools", c.metrics.max_pools, "pools", 200, 0, 100'000)}},
        {"status",
         {access_key("access", c.status.access),
          integer_key("max_watchers", c.status.max_watchers, "watchers", 1000, 0, 1'000'000)}},
        {"log",
         {choice_key("level", c.log.level, LogLevel::info,
                     {{"debug", LogLevel::debug},
                      {"info", LogLevel::info},
                      {"warning", LogLevel::warning},
                      {"error", LogLevel::error}}),
          choice_key("format", c.log.format, LogFormat::text,
                     {{"text", LogFormat::text}, {"json", LogFormat::json}}),
          path_key("file", c.log.file, base, "", true),  //
          boolean_key("access", c.access_log, false)}},
    };
}

Section pool_section(PoolConfig& pool, std::string& overflow_number,
                     const std::filesystem::path& base) {
    constexpr std::string_view kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    constexpr std::string_view kIdCharacters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    // What is no good leaves its target empty.
    const auto string_into = [](std::string_view name, std::string expected, std::string& target,
                                std::size_t least, std::size_t most,
                                std::string_view characters = {}) {
        return string_key(
            name, std::move(expected),
            [&target, least, most, characters](const std::string& text) {
                const bool good =
                    text.size() >= least && text.size() <= most &&
                    (characters.empty() || text.find_first_not_of(characters) == text.npos);
                target = good ? text : "";
                return good;
            },
            [&target] { return target; });
    };
    auto& d = pool.definition;
    d.default_region = "US";
    return {
        "pool",
        {required(string_into("id", "1 to 64 of A-Z a-z 0-9 . _ -", d.id, 1, 64, kIdCharacters)),
         text_key("name", d.name, 256),
         secret(required(string_into("key", "a string of 1 to 128 bytes", d.key, 1, 128))),
         integer_key("lifetime_seconds", d.lifetime, "s", 1800, 1, 30 * kDaySeconds),
         integer_key("cooldown_seconds", d.cooldown, "s", 0, 0, 30 * kDaySeconds),
         integer_key("max_hold_seconds", d.max_hold, "s; 0 for no limit", 0, 0, 365 * kDaySeconds),
         boolean_key("allow_overflow", d.allow_overflow, true),
         string_into("overflow_number", "a telephone number, e.g. \"+18005550199\"",
                     overflow_number, 1, 64),
         text_key("tracking_url", d.tracking_url, 2048),
         string_into("default_region", "two capital letters (ISO 3166-1), e.g. \"US\"",
                     d.default_region, 2, 2, kCapitals),
         path_key("numbers_file", pool.numbers_file, base, "", false)}};
}

}  // namespace ringmaster::app
