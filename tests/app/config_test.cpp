#include "ringmaster/app/config.hpp"

#include <string>
#include <string_view>

#include "fuzz/seed.hpp"
#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPool = R"(
[[pool]]
id = "autos"
key = "A329F4DC"
overflow_number = "+18005550199"
numbers_file = "autos.txt"
)";

class ConfigTest : public testing::Test {
  protected:
    /// The configuration with one good pool behind `text`.
    Config good(std::string_view text) {
        auto config = load(std::string(text) + std::string(kPool));
        if (!config) throw std::runtime_error(config.error().message);
        return *std::move(config);
    }
    /// What is said of `text`, with "x.toml" for the path of the file.
    std::string said(std::string_view text) {
        const auto config = load(text);
        if (config) return "it is good";
        std::string message = config.error().message;
        const std::string file = file_.string();
        for (auto at = message.find(file); at != message.npos; at = message.find(file)) {
            message.replace(at, file.size(), "x.toml");
        }
        return message;
    }
    /// The same for the lines before one good pool.
    std::string said_before_pool(std::string_view text) {
        return said(std::string(text) + std::string(kPool));
    }

    ScratchDirectory directory_;
    std::filesystem::path file_;

  private:
    Result<Config> load(std::string_view text) {
        fuzz::keep_seed("config", text);
        file_ = directory_.write("x.toml", text);
        return load_config(file_);
    }
};

/// All but the pools and the directory of the data.
void expect_defaults(const Config& c) {
    EXPECT_EQ(net::to_string(c.listen), "127.0.0.1:8080");
    EXPECT_EQ(c.shards, 0u);
    EXPECT_EQ(net::to_string(c.shard_listen), "127.0.0.1:0");
    EXPECT_EQ(c.pid_file, "");
    EXPECT_EQ(c.server.backlog, 1024);
    EXPECT_EQ(c.server.max_connections, 15'000u);
    EXPECT_EQ(c.max_requests_in_flight, 1024u);
    EXPECT_EQ(c.server.pipeline_depth, 64u);
    EXPECT_EQ(c.server.header_timeout, 10s);
    EXPECT_EQ(c.server.body_timeout, 30s);
    EXPECT_EQ(c.server.idle_timeout, 75s);
    EXPECT_EQ(c.server.write_timeout, 30s);
    EXPECT_EQ(c.server.half_close_timeout, 1s);
    EXPECT_EQ(c.server.request_timeout, 2s);
    EXPECT_EQ(c.drain_timeout, 10s);
    EXPECT_EQ(c.server.request.target_bytes, 8192u);
    EXPECT_EQ(c.server.request.head_bytes, 32'768u);
    EXPECT_EQ(c.server.request.header_count, 100u);
    EXPECT_EQ(c.server.request.body_bytes, 4'194'304u);
    EXPECT_EQ(c.server.output_high_water_bytes, 262'144u);
    EXPECT_EQ(c.gzip_min_bytes, 0u);
    EXPECT_EQ(c.peers.gate.deadline, 50ms);
    EXPECT_EQ(c.peers.gate.latency_floor, 10ms);
    EXPECT_EQ(c.peers.gate.latency_factor, 3);
    EXPECT_EQ(c.peers.gate.max_missed_share, 0.2);
    EXPECT_EQ(c.peers.gate.interval, 100ms);
    EXPECT_EQ(c.peers.gate.min_calls, 20u);
    EXPECT_EQ(c.peers.gate.max_in_flight, 1024u);
    EXPECT_EQ(c.peers.gate.min_cooldown, 250ms);
    EXPECT_EQ(c.peers.gate.max_cooldown, 30s);
    EXPECT_EQ(c.peers.max_call_rows, 1024u);
    EXPECT_EQ(c.peers.max_parts_under_way, 1u);
    EXPECT_EQ(c.peers.admin_deadline, 30s);
    EXPECT_EQ(c.peers.takeover_after, 500ms);
    EXPECT_EQ(c.api.max_batch, 1000u);
    EXPECT_EQ(c.streams.max_streams, 20'000u);
    EXPECT_EQ(c.streams.ping, 15s);
    EXPECT_EQ(c.api.context.max_parameters, 32u);
    EXPECT_EQ(c.api.context.max_name_bytes, 64u);
    EXPECT_EQ(c.api.context.max_value_bytes, 2048u);
    EXPECT_EQ(c.api.max_session_bytes, 256u);
    EXPECT_EQ(c.api.max_request_id_bytes, 256u);
    EXPECT_TRUE(c.cors_origins.empty());
    EXPECT_EQ(c.admin_token_file, "");
    EXPECT_EQ(c.pools_api.page_numbers, 1000u);
    EXPECT_EQ(c.pools_api.max_page_numbers, 10'000u);
    EXPECT_EQ(c.pools_api.max_refusals_told, 100u);
    EXPECT_EQ(c.history_api.max_holders, 1000u);
    EXPECT_EQ(c.stack_bytes, 65'536u);
    EXPECT_EQ(c.stall_warning, 25ms);
    EXPECT_EQ(c.store.fsync, store::Fsync::everysec);
    EXPECT_EQ(c.store.segment_bytes, 67'108'864u);
    EXPECT_EQ(c.store.snapshot_after_bytes, 268'435'456u);
    EXPECT_EQ(c.store.history, std::chrono::days(90));
    EXPECT_EQ(c.store.history_max_bytes, 0u);
    EXPECT_EQ(c.store.max_pools, 10'000u);
    EXPECT_EQ(c.store.max_numbers, 1u << 24);
    EXPECT_FALSE(c.redis.enabled());
    EXPECT_EQ(c.redis.prefix, "ringmaster");
    EXPECT_EQ(c.redis.gate.deadline, 100ms);
    EXPECT_EQ(c.redis.gate.latency_floor, 20ms);
    EXPECT_EQ(c.redis.gate.max_cooldown, 2s);
    EXPECT_EQ(c.redis.wait_replicas, 0u);
    EXPECT_EQ(c.redis.client.pool.size, 16u);
    EXPECT_EQ(c.redis.client.pool.idle_timeout, 300s);
    EXPECT_EQ(c.redis.client.connect_timeout, 500ms);
    EXPECT_EQ(c.redis.client.reconnect_first, 20ms);
    EXPECT_EQ(c.redis.client.reconnect_most, 1s);
    EXPECT_EQ(c.redis.client.topology_period, 30s);
    EXPECT_EQ(c.redis.client.max_reply_bytes, 67'108'864u);
    EXPECT_EQ(c.redis.client.max_queued_bytes, 16'777'216u);
    EXPECT_EQ(c.redis.client.max_pending_calls, 10'000u);
    EXPECT_EQ(c.redis.catalog_period, 1s);
    EXPECT_EQ(c.redis.start_timeout, 30s);
    EXPECT_EQ(c.redis.admin_deadline, 30s);
    EXPECT_EQ(c.log.level, LogLevel::info);
    EXPECT_EQ(c.log.format, LogFormat::text);
    EXPECT_EQ(c.log.file, "");
    EXPECT_EQ(c.metrics.access, api::ReadAccess::everybody);
    EXPECT_EQ(c.metrics.max_pools, 200u);
    EXPECT_EQ(c.status.access, api::ReadAccess::everybody);
    EXPECT_EQ(c.status.max_watchers, 1000u);
    EXPECT_FALSE(c.access_log);
}

TEST_F(ConfigTest, RedisMayBeTheStore) {
    const Config c = good("[redis]\nurl = \"redis://ann:s%20ecret@[::1]:7000/3\"\n");
    ASSERT_TRUE(c.redis.enabled());
    EXPECT_EQ(c.redis.client.url.servers[0].port, 7000);
    EXPECT_EQ(c.redis.client.url.user, "ann");
    EXPECT_EQ(c.redis.client.url.password, "s ecret");
    EXPECT_EQ(c.redis.client.url.database, 3u);

    const std::string expected =
        "; expected \"\" or a URL that begins with redis://, redis+unix://, redis+sentinel:// or "
        "redis+cluster:// (TLS is not spoken)";
    EXPECT_EQ(said_before_pool("[redis]\nurl = \"rediss://ann:hidden@host\"\n"),
              "x.toml:2:7: [redis] url is a string of 24 bytes" + expected);
    EXPECT_EQ(said_before_pool("[redis]\nprefix = \"a{b}\"\n"),
              "x.toml:2:10: [redis] prefix is \"a{b}\"; expected 1 to 64 characters without blanks "
              "and braces");
    EXPECT_EQ(
        said_before_pool("[redis]\nmin_cooldown_ms = 3000\n"),
        "x.toml:2:19: [redis] min_cooldown_ms is 3000; expected no more than max_cooldown_ms, "
        "which is 2000");
}

TEST_F(ConfigTest, TheUrlOfRedisMayStandInAFile) {
    directory_.write("url", "redis+sentinel://one,two:7/main\r\nsecond line\n");
    const Config c = good("[redis]\nurl_file = \"url\"\n");
    EXPECT_EQ(c.redis.client.url.kind, redis::RedisUrl::Kind::sentinel);
    EXPECT_EQ(c.redis.client.url.servers.size(), 2u);
    EXPECT_EQ(said_before_pool("[redis]\nurl = \"redis://one\"\nurl_file = \"url\"\n"),
              "x.toml:3:12: [redis] url_file is \"url\", and there is a url; expected one of both");
    directory_.write("url", "hidden\n");
    const std::string said = said_before_pool("[redis]\nurl_file = \"url\"\n");
    EXPECT_TRUE(
        said.starts_with("x.toml:2:12: [redis] url_file is \"url\", whose first line is no "
                         "such URL; expected "))
        << said;
    EXPECT_EQ(said.find("hidden"), std::string::npos);
}

TEST_F(ConfigTest, HasADefaultForAllButThePools) {
    const Config c = good("");
    expect_defaults(c);
    EXPECT_EQ(c.store.directory, directory_.path() / "data/store");
    EXPECT_EQ(c.run_dir, directory_.path() / "data/run");
    EXPECT_EQ(c.admin_token, "");
    ASSERT_EQ(c.pools.size(), 1u);
    const auto& pool = c.pools[0].definition;
    EXPECT_EQ(pool.id, "autos");
    EXPECT_EQ(pool.name, "");
    EXPECT_EQ(pool.key, "A329F4DC");
    EXPECT_EQ(pool.lifetime, 1800s);
    EXPECT_EQ(pool.cooldown, 0s);
    EXPECT_EQ(pool.max_hold, 0s);
    EXPECT_TRUE(pool.allow_overflow);
    EXPECT_EQ(pool.overflow.number.e164(), "+18005550199");
    EXPECT_EQ(pool.tracking_url, "");
    EXPECT_EQ(pool.default_region, "US");
}

/// It tells the reader what is the default.
TEST_F(ConfigTest, AgreesWithTheOneOfTheDemo) {
    const auto source = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
    const auto demo = load_config(source / "configs/ringmaster.toml");
    ASSERT_TRUE(demo) << demo.error().message;
    expect_defaults(*demo);
}

TEST_F(ConfigTest, SetsWhatItIsTold) {
    const Config c = good(R"(
        [server]
        listen = "[::1]:0"
        shards = 256
        shard_listen = "127.0.0.2:9000"
        run_dir = "/run/ringmaster"
        pid_file = "pid"
        max_connections = 1
        idle_timeout_ms = 1
        gzip_min_bytes = 1024
        [peers]
        latency_factor_percent = 150
        max_missed_percent = 0
        takeover_after_ms = 0
        [api]
        max_context_parameters = 64
        [cors]
        origins = ["https://example.com", "http://localhost:3000"]
        [runtime]
        stack_bytes = 16384
        stall_warning_ms = 0
        [store]
        fsync = "always"
        history_days = 0
        [metrics]
        access = "admin"
        max_pools = 0
        [status]
        access = "admin"
        max_watchers = 3
        [log]
        level = "debug"
        format = "json"
        access = true

        [[pool]]
        id = "Boats_1.x-y"
        name = "Boats"
        key = "k"
        lifetime_seconds = 1
        cooldown_seconds = 2
        max_hold_seconds = 3
        allow_overflow = false
        tracking_url = "https://example.com/{number}"
        default_region = "GB"
        numbers_file = "boats.csv"
    )");
    EXPECT_EQ(net::to_string(c.listen), "[::1]:0");
    EXPECT_EQ(c.shards, 256u);
    EXPECT_EQ(net::to_string(c.shard_listen), "127.0.0.2:9000");
    EXPECT_EQ(c.run_dir, "/run/ringmaster");
    EXPECT_EQ(c.pid_file, directory_.path() / "pid");
    EXPECT_EQ(c.peers.gate.latency_factor, 1.5);
    EXPECT_EQ(c.peers.gate.max_missed_share, 0);
    EXPECT_EQ(c.peers.takeover_after, 0ms);
    EXPECT_EQ(c.server.max_connections, 1u);
    EXPECT_EQ(c.server.idle_timeout, 1ms);
    EXPECT_EQ(c.gzip_min_bytes, 1024u);
    EXPECT_EQ(c.api.context.max_parameters, 64u);
    EXPECT_EQ(c.cors_origins,
              (std::vector<std::string>{"https://example.com", "http://localhost:3000"}));
    EXPECT_EQ(c.stack_bytes, 16'384u);
    EXPECT_EQ(c.stall_warning, 0ms);
    EXPECT_EQ(c.store.fsync, store::Fsync::always);
    EXPECT_EQ(c.store.history, std::chrono::days(0));
    EXPECT_EQ(c.log.level, LogLevel::debug);
    EXPECT_EQ(c.log.format, LogFormat::json);
    EXPECT_EQ(c.metrics.access, api::ReadAccess::admin);
    EXPECT_EQ(c.metrics.max_pools, 0u);
    EXPECT_EQ(c.status.access, api::ReadAccess::admin);
    EXPECT_EQ(c.status.max_watchers, 3u);
    EXPECT_TRUE(c.access_log);

    ASSERT_EQ(c.pools.size(), 2u);
    const auto& pool = c.pools[0].definition;
    EXPECT_EQ(pool.id, "Boats_1.x-y");
    EXPECT_EQ(pool.name, "Boats");
    EXPECT_EQ(pool.lifetime, 1s);
    EXPECT_EQ(pool.cooldown, 2s);
    EXPECT_EQ(pool.max_hold, 3s);
    EXPECT_FALSE(pool.allow_overflow);
    EXPECT_FALSE(pool.overflow.number);
    EXPECT_EQ(pool.tracking_url, "https://example.com/{number}");
    EXPECT_EQ(pool.default_region, "GB");
}

TEST_F(ConfigTest, TakesRelativePathsFromTheDirectoryOfTheFile) {
    const Config c =
        good("[store]\ndata_dir = \"/var/lib/ringmaster\"\n[log]\nfile = \"logs/a\"\n");
    EXPECT_EQ(c.store.directory, "/var/lib/ringmaster");
    EXPECT_EQ(c.log.file, directory_.path() / "logs/a");
    EXPECT_EQ(c.pools[0].numbers_file, directory_.path() / "autos.txt");
}

TEST_F(ConfigTest, ReadsTheOverflowNumberInTheDefaultRegion) {
    const Config c = good(R"(
        [[pool]]
        id = "uk"
        key = "k"
        overflow_number = "020 7946 0018"
        default_region = "GB"
        numbers_file = "uk.txt"
    )");
    EXPECT_EQ(c.pools[0].definition.overflow.number.e164(), "+442079460018");
}

TEST_F(ConfigTest, TellsAWrongType) {
    EXPECT_EQ(said_before_pool("[server]\nbacklog = \"many\"\n"),
              "x.toml:2:11: [server] backlog is \"many\"; expected an integer from 1 to 65535 "
              "(connections)");
    EXPECT_EQ(said_before_pool("[server]\nmax_headers = 1.5\n"),
              "x.toml:2:15: [server] max_headers is 1.5; expected an integer from 1 to 10000 "
              "(fields)");
    EXPECT_EQ(said_before_pool("[status]\naccess = \"none\"\n"),
              "x.toml:2:10: [status] access is \"none\"; expected \"public\" or \"admin\"");
    EXPECT_EQ(said_before_pool("[log]\naccess = 1\n"),
              "x.toml:2:10: [log] access is 1; expected true or false");
    EXPECT_EQ(said_before_pool("[log]\nfile = [\"a\"]\n"),
              "x.toml:2:8: [log] file is an array; expected a path");
    EXPECT_EQ(said_before_pool("[log]\nfile = 2026-11-21\n"),
              "x.toml:2:8: [log] file is 2026-11-21; expected a path");
}

TEST_F(ConfigTest, TellsAValueOutOfRange) {
    EXPECT_EQ(said_before_pool("[server]\nbacklog = 0\n"),
              "x.toml:2:11: [server] backlog is 0; expected an integer from 1 to 65535 "
              "(connections)");
    EXPECT_EQ(said_before_pool("[server]\nbacklog = 65536\n"),
              "x.toml:2:11: [server] backlog is 65536; expected an integer from 1 to 65535 "
              "(connections)");
    EXPECT_EQ(said_before_pool("[api]\nmax_context_parameters = 65\n"),
              "x.toml:2:26: [api] max_context_parameters is 65; expected an integer from 0 to 64 "
              "(parameters)");
    EXPECT_EQ(
        said_before_pool("[store]\nhistory_days = -1\n"),
        "x.toml:2:16: [store] history_days is -1; expected an integer from 0 to 36500 (days)");
}

TEST_F(ConfigTest, TakesACountOfShardsOrAuto) {
    EXPECT_EQ(good("[server]\nshards = 1\n").shards, 1u);
    EXPECT_EQ(good("[server]\nshards = \"auto\"\n").shards, 0u);
    for (const char* shards : {"0", "257", "-1", "\"\"", "\"2\"", "1.5"}) {
        EXPECT_EQ(said_before_pool("[server]\nshards = " + std::string(shards) + "\n"),
                  "x.toml:2:10: [server] shards is " + std::string(shards) +
                      "; expected \"auto\" or an integer from 1 to 256");
    }
}

TEST_F(ConfigTest, TellsAFactorOutOfRange) {
    EXPECT_EQ(said_before_pool("[peers]\nlatency_factor_percent = 99\n"),
              "x.toml:2:26: [peers] latency_factor_percent is 99; expected an integer from 100 to "
              "100000 (percent)");
    EXPECT_EQ(said_before_pool("[peers]\nmax_missed_percent = 100\n"),
              "x.toml:2:22: [peers] max_missed_percent is 100; expected an integer from 0 to 99 "
              "(percent)");
}

TEST_F(ConfigTest, TellsACooldownThatIsShorterThanTheShortest) {
    EXPECT_EQ(said_before_pool("[peers]\nmax_cooldown_ms = 249\n"),
              "x.toml:2:19: [peers] min_cooldown_ms is 250; expected no more than max_cooldown_ms, "
              "which is 249");
    EXPECT_EQ(said_before_pool("[peers]\nmin_cooldown_ms = 30001\n"),
              "x.toml:2:19: [peers] min_cooldown_ms is 30001; expected no more than "
              "max_cooldown_ms, which is 30000");
}

TEST_F(ConfigTest, TellsARunDirectoryThatIsTooLongForSockets) {
    const auto said_of = [&](std::size_t bytes) {
        return said_before_pool("[server]\nrun_dir = \"/" + std::string(bytes - 1, 'r') + "\"\n");
    };
    EXPECT_EQ(said_of(92), "it is good");
    EXPECT_EQ(said_of(93), "x.toml:2:11: [server] run_dir is \"/" + std::string(92, 'r') +
                               "\", which has 93 bytes; expected a path of at most 92, for those "
                               "of Unix sockets are no longer than 107");
}

TEST_F(ConfigTest, TellsAWordThatIsNoChoice) {
    EXPECT_EQ(said_before_pool("[store]\nfsync = \"Always\"\n"),
              "x.toml:2:9: [store] fsync is \"Always\"; expected \"always\", \"everysec\" or "
              "\"never\"");
}

TEST_F(ConfigTest, TakesAllOriginsOrSome) {
    EXPECT_EQ(good("[cors]\norigins = [\"*\"]\n").cors_origins, std::vector<std::string>{"*"});
    EXPECT_TRUE(good("[cors]\norigins = []\n").cors_origins.empty());
}

TEST_F(ConfigTest, TellsBadOrigins) {
    const auto said_of = [&](const std::string& origins) {
        return said_before_pool("[cors]\norigins = " + origins + "\n");
    };
    const std::string expected =
        "; expected up to 100 origins like \"https://example.com\", or [\"*\"]";
    EXPECT_EQ(said_of("\"*\""), "x.toml:2:11: [cors] origins is \"*\"" + expected);
    std::string many = "[";
    for (int i = 0; i < 101; ++i) many += "\"https://example" + std::to_string(i) + ".com\",";
    for (const std::string& origins :
         {std::string("[1]"), std::string("[\"example.com\"]"),
          std::string("[\"https://example.com/\"]"), std::string("[\"*\", \"*\"]"),
          std::string("[\"https://example.com\", \"*\"]"), many + "]"}) {
        EXPECT_EQ(said_of(origins), "x.toml:2:11: [cors] origins is an array" + expected)
            << origins;
    }
}

TEST_F(ConfigTest, TellsABadAddress) {
    for (const char* address : {"localhost:80", "127.0.0.1", "127.0.0.1:65536", "::1:80", ""}) {
        EXPECT_EQ(said_before_pool("[server]\nlisten = \"" + std::string(address) + "\"\n"),
                  "x.toml:2:10: [server] listen is \"" + std::string(address) +
                      "\"; expected ADDRESS:PORT, e.g. \"127.0.0.1:8080\" or \"[::1]:8080\"");
    }
    EXPECT_EQ(said_before_pool("[server]\nlisten = \"unix:/run/socket\"\n"),
              "x.toml:2:10: [server] listen is \"unix:/run/socket\"; expected ADDRESS:PORT, e.g. "
              "\"127.0.0.1:8080\" or \"[::1]:8080\"");
}

TEST_F(ConfigTest, SuggestsTheKeyThatWasMeant) {
    EXPECT_EQ(said_before_pool("[server]\nlisen = \"127.0.0.1:80\"\n"),
              "x.toml:2:1: [server] has no key lisen; did you mean listen?");
    EXPECT_EQ(said_before_pool("[server]\nidle_timeout = 5\n"),
              "x.toml:2:1: [server] has no key idle_timeout; did you mean idle_timeout_ms?");
    EXPECT_EQ(said_before_pool("[log]\nlevle = \"info\"\n"),
              "x.toml:2:1: [log] has no key levle; did you mean level?");
}

TEST_F(ConfigTest, NamesAllKeysWhereNoneIsLikeTheUnknownOne) {
    EXPECT_EQ(said_before_pool("[log]\ncolour = true\n"),
              "x.toml:2:1: [log] has no key colour; expected one of level, format, file, access");
    EXPECT_EQ(said_before_pool("[log]\n\"\" = true\n"),
              "x.toml:2:1: [log] has no key ; expected one of level, format, file, access");
}

TEST_F(ConfigTest, NamesTheSectionThatAKeyBelongsTo) {
    EXPECT_EQ(said_before_pool("[server]\nmax_batch = 5\n"),
              "x.toml:2:1: [server] has no key max_batch; it belongs to [api]");
    EXPECT_EQ(said_before_pool("listen = \"127.0.0.1:80\"\n"),
              "x.toml:1:1: listen stands outside of the sections; it belongs to [server]");
}

TEST_F(ConfigTest, TellsAnUnknownSection) {
    EXPECT_EQ(said_before_pool("[sever]\nbacklog = 5\n"),
              "x.toml:1:2: there is no section sever; did you mean [server]?");
    EXPECT_EQ(said_before_pool("[http]\nbacklog = 5\n"),
              "x.toml:1:2: there is no section http; expected one of [server], [peers], [api], "
              "[streams], [cors], [admin], [events], [advice], [analysis], [runtime], [store], "
              "[redis], [metrics], "
              "[status], [log], [[pool]]");
    EXPECT_EQ(said_before_pool("[[pools]]\nid = \"a\"\n"),
              "x.toml:1:3: there is no section pools; did you mean [[pool]]?");
}

TEST_F(ConfigTest, TellsASectionThatIsNone) {
    EXPECT_EQ(said_before_pool("log = \"debug\"\n"),
              "x.toml:1:1: log is \"debug\"; expected a section [log]");
    EXPECT_EQ(said_before_pool("[[log]]\nlevel = \"debug\"\n"),
              "x.toml:1:3: log is an array; expected a section [log]");
    EXPECT_EQ(said("[pool]\nid = \"a\"\n"),
              "x.toml:1:1: pool is a table; expected [[pool]] for each pool");
    EXPECT_EQ(said("pool = [1]\n"), "x.toml:1:9: a pool is 1; expected [[pool]]");
}

TEST_F(ConfigTest, NeedsNoPool) {
    EXPECT_EQ(said(""), "it is good");
    EXPECT_EQ(said("pool = []"), "it is good");
}

TEST_F(ConfigTest, NeedsNoNumbersFile) {
    const Config c = good("[[pool]]\nid = \"a\"\nkey = \"k\"\nallow_overflow = false\n");
    EXPECT_EQ(c.pools[0].numbers_file, "");
}

TEST_F(ConfigTest, ReadsTheAdminTokenFromEitherPlace) {
    EXPECT_EQ(good("[admin]\ntoken = \"0123456789abcdef\"\n").admin_token, "0123456789abcdef");
    EXPECT_EQ(good("[admin]\ntoken = \"\"\n").admin_token, "");
    directory_.write("token", "fedcba9876543210\r\nsecond line\n");
    EXPECT_EQ(good("[admin]\ntoken_file = \"token\"\n").admin_token, "fedcba9876543210");
    EXPECT_EQ(said_before_pool("[admin]\ntoken = \"0123456789abcdef\"\ntoken_file = \"token\"\n"),
              "x.toml:3:14: [admin] token_file is \"token\", and there is a token; expected one of "
              "both");
}

TEST_F(ConfigTest, TellsABadTokenButNotTheToken) {
    const std::string expected = "; expected 16 to 128 printable ASCII characters without blanks";
    EXPECT_EQ(said_before_pool("[admin]\ntoken = \"0123456789abcde\"\n"),
              "x.toml:2:9: [admin] token is a string of 15 bytes" + expected);
    EXPECT_EQ(said_before_pool("[admin]\ntoken = \"0123456789 abcdef\"\n"),
              "x.toml:2:9: [admin] token is a string of 17 bytes" + expected);
    EXPECT_EQ(said_before_pool("[admin]\ntoken = \"" + std::string(129, 'x') + "\"\n"),
              "x.toml:2:9: [admin] token is a string of 129 bytes" + expected);
    const std::string file = directory_.write("token", "short").string();
    EXPECT_EQ(said_before_pool("[admin]\ntoken_file = \"token\"\n"),
              "x.toml:2:14: [admin] token_file is \"token\": " + file +
                  ": its first line has 5 bytes" + expected);
    EXPECT_EQ(
        said_before_pool("[admin]\ntoken_file = \"none\"\n"),
        "x.toml:2:14: [admin] token_file is \"none\": " + (directory_.path() / "none").string() +
            ": can't be read: No such file or directory");
    EXPECT_EQ(said_before_pool("[admin]\ntoken = 0123456789abcdef\n").find("abcdef"),
              std::string::npos);
}

TEST_F(ConfigTest, RefusesATrackingUrlThatIsNotUtf8) {
    const std::string text =
        said("[[pool]]\nid = \"a\"\nkey = \"k\"\ntracking_url = \"http://\xFF\"\n");
    EXPECT_EQ(text.find("x.toml:4:"), 0u) << text;
}

/// What a reload compares: equal where a default is written out, and different where it matters.
TEST_F(ConfigTest, ListsItsSettings) {
    const auto defaults = good("").settings;
    EXPECT_EQ(good("[server]\nbacklog = 1024\n[log]\nlevel = \"info\"\n").settings, defaults);
    const auto changed =
        good("[server]\nbacklog = 5\n[store]\nfsync = \"never\"\nhistory_days = 2\n").settings;
    ASSERT_EQ(changed.size(), defaults.size());
    std::vector<std::string> different;
    for (std::size_t i = 0; i < changed.size(); ++i) {
        if (changed[i] != defaults[i])
            different.push_back(changed[i].name + "=" + changed[i].value);
    }
    EXPECT_EQ(different, (std::vector<std::string>{"[server] backlog=5", "[store] fsync=never",
                                                   "[store] history_days=48"}));
    Config one, other;
    one.settings = defaults;
    other.settings = changed;
    EXPECT_EQ(different_settings(one, other),
              "[server] backlog, [store] fsync, [store] history_days");
    EXPECT_EQ(different_settings(one, one), "");
}

TEST_F(ConfigTest, TellsWhatAPoolLacks) {
    EXPECT_EQ(said("\n[[pool]]\nname = \"x\"\n"),
              "x.toml:2:1: [[pool]] has no id; expected 1 to 64 of A-Z a-z 0-9 . _ -\n"
              "x.toml:2:1: [[pool]] has no key; expected a string of 1 to 128 bytes\n"
              "x.toml:2:1: [[pool]] has no overflow_number; expected one, or "
              "allow_overflow = false");
}

TEST_F(ConfigTest, TellsWhatIsWrongInAPool) {
    EXPECT_EQ(said(R"([[pool]]
id = "a/b"
key = "k"
lifetime_seconds = 0
overflow_number = "555"
default_region = "us"
numbers_file = ""
)"),
              "x.toml:2:6: [[pool]] id is \"a/b\"; expected 1 to 64 of A-Z a-z 0-9 . _ -\n"
              "x.toml:4:20: [[pool]] lifetime_seconds is 0; expected an integer from 1 to 2592000 "
              "(s)\n"
              "x.toml:6:18: [[pool]] default_region is \"us\"; expected two capital letters "
              "(ISO 3166-1), e.g. \"US\"\n"
              "x.toml:7:16: [[pool]] numbers_file is \"\"; expected a path");
}

TEST_F(ConfigTest, TellsAnOverflowNumberThatIsNone) {
    const std::string text = said(R"([[pool]]
id = "a"
key = "k"
overflow_number = "555"
numbers_file = "n"
)");
    EXPECT_EQ(text.find("x.toml:4:19: [[pool]] overflow_number is \"555\": "), 0u) << text;
}

TEST_F(ConfigTest, TellsTwoPoolsOfOneId) {
    EXPECT_EQ(said(std::string(kPool) + std::string(kPool)),
              "x.toml:9:6: [[pool]] id is \"autos\", as that of the pool at line 2; expected "
              "another");
}

TEST_F(ConfigTest, TellsAllProblemsInTheOrderOfTheFile) {
    EXPECT_EQ(said_before_pool("[store]\nfsync = 1\n[server]\nbacklog = 0\nzzzzzzzzz = 1\n"
                               "max_headers = 0\n[api]\nmax_batch = true\n[nonsense]\n"),
              "x.toml:2:9: [store] fsync is 1; expected \"always\", \"everysec\" or \"never\"\n"
              "x.toml:4:11: [server] backlog is 0; expected an integer from 1 to 65535 "
              "(connections)\n"
              "x.toml:5:1: [server] has no key zzzzzzzzz; expected one of listen, shards, "
              "shard_listen, run_dir, "
              "pid_file, backlog, max_connections, max_requests_in_flight, pipeline_depth, "
              "header_timeout_ms, "
              "body_timeout_ms, idle_timeout_ms, write_timeout_ms, half_close_timeout_ms, "
              "request_timeout_ms, "
              "drain_timeout_ms, max_target_bytes, max_head_bytes, max_headers, max_body_bytes, "
              "output_high_water_bytes, gzip_min_bytes\n"
              "x.toml:6:15: [server] max_headers is 0; expected an integer from 1 to 10000 "
              "(fields)\n"
              "x.toml:8:13: [api] max_batch is true; expected an integer from 1 to 100000 (rows)\n"
              "x.toml:9:2: there is no section nonsense; expected one of [server], [peers], [api], "
              "[streams], [cors], [admin], [events], [advice], [analysis], [runtime], [store], "
              "[redis], [metrics], "
              "[status], [log], [[pool]]");
}

TEST_F(ConfigTest, TellsWhereItIsNotToml) {
    EXPECT_EQ(said("[server\n"),
              "x.toml:1:8: not TOML: Error while parsing table header: expected ']', saw '\\n'");
    EXPECT_EQ(said("[&"),
              "x.toml:1:2: not TOML: Error while parsing key: expected bare key starting character "
              "or string delimiter, saw '&'");
    EXPECT_EQ(said("[server]\nbacklog = 1\nbacklog = 2\n"),
              "x.toml:3:11: not TOML: Error while parsing key-value pair: cannot redefine existing "
              "integer 'backlog'");
}

TEST_F(ConfigTest, TellsAFileThatCantBeRead) {
    const auto missing = load_config(directory_.path() / "none.toml");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_EQ(missing.error().message, (directory_.path() / "none.toml").string() +
                                           ": can't be read: No such file or directory");
    const auto directory = load_config(directory_.path());
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().message,
              directory_.path().string() + ": can't be read: Is a directory");
}

TEST_F(ConfigTest, ShowsValuesInOneLineOfReadableLength) {
    EXPECT_EQ(said_before_pool("[store]\nfsync = \"a\\nb\\u001b[2Jc\"\n"),
              "x.toml:2:9: [store] fsync is \"a\\nb\\x1B[2Jc\"; expected \"always\", \"everysec\" "
              "or \"never\"");
    EXPECT_EQ(said_before_pool("[store]\nfsync = \"" + std::string(200, 'x') + "\"\n"),
              "x.toml:2:9: [store] fsync is \"" + std::string(60, 'x') +
                  "...\"; expected \"always\", \"everysec\" or \"never\"");
}

/// Whatever is wrong with a key, and wherever it stands.
TEST_F(ConfigTest, NeverTellsAKey) {
    const std::string rest = "overflow_number = \"+18005550199\"\nnumbers_file = \"n\"\n";
    for (const std::string line : {
             "key = SECRETSECRET",
             "key = \"SECRETSECRET",
             "key = 'SECRETSECRET",
             "key = \"\"\"SECRETSECRET",
             "key = \"\"SECRETSECRET\"",
             "key = 0xSECRET",
             "key = trueSECRET",
             "key = 99999999999999999999",
             "key = 7777777",
             "key = [\"SECRET\"]",
             "key = {SECRET = 1}",
             "key = 2026-SECRET",
             "key \"SECRET\"",
             "key: SECRET",
             "keySECRET",
             "key = \"S\\ECRET\"",
             "key = \"SECRET",
             "id = \"autos\" key = \"SECRET\"",
             "key = 77777.77",
             "key = 2077-07-07",
             "key = \"SECRETSECRETSECRETSECRETSECRETSECRET"
             "SECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRET"
             "SECRETSECRETSECRETSECRETSECRETSECRET\"",
         }) {
        const std::string text = said("[[pool]]\n" + line + "\n" + rest);
        EXPECT_NE(text, "it is good") << line;
        for (const char* part : {"SEC", "S'", "ECR", "777", "999", "'S"}) {
            EXPECT_EQ(text.find(part), text.npos) << line << "\n" << text;
        }
    }
    EXPECT_EQ(said("[[pool]]\nid = \"a\"\nkey = \"\"\n" + rest),
              "x.toml:3:7: [[pool]] key is a string of 0 bytes; expected a string of 1 to 128 "
              "bytes");
    EXPECT_EQ(said("[[pool]]\nid = \"a\"\nkey = 1234\n" + rest),
              "x.toml:3:7: [[pool]] key is an integer; expected a string of 1 to 128 bytes");
}

}  // namespace
}  // namespace ringmaster::app
