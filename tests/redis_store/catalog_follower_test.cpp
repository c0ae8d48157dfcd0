#include "ringmaster/redis_store/catalog_follower.hpp"

#include "ringmaster/redis_store/definition_format.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "redis_store/world.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;

class CatalogFollowerTest : public ::testing::Test {
  protected:
    static PoolDefinition named(const std::string& id, const std::string& name) {
        auto pool = definition(id);
        pool.name = name;
        return pool;
    }
    static std::string name_of(Daemon& daemon, const std::string& id) {
        const auto index = daemon.catalog.find(id);
        return index ? daemon.catalog.at(*index).name : "(none)";
    }
    World world_;
};

TEST_F(CatalogFollowerTest, FindsAllPoolsThatThereAre) {
    world_.run([&] {
        Daemon& first = world_.start_daemon();
        for (int i = 0; i < 150; ++i) {  // several portions
            EXPECT_TRUE(first.pools.put_pool(definition("p" + std::to_string(i))).value());
        }
        EXPECT_TRUE(first.pools.remove_pool("p7").ok());
        Daemon& second = world_.start_daemon();
        EXPECT_EQ(second.catalog.size(), 149u);
        EXPECT_FALSE(second.catalog.find("p7"));
        const auto index = second.catalog.find("p8").value();
        EXPECT_EQ(second.catalog.at(index), definition("p8"));
        EXPECT_EQ(second.follower.version(index),
                  first.follower.version(first.catalog.find("p8").value()));
    });
}

TEST_F(CatalogFollowerTest, HearsOfChangesByMessage) {
    world_.run([&] {
        Daemon& first = world_.start_daemon();
        Daemon& second = world_.start_daemon();
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).ok());
        world_.wait_until([&] { return second.catalog.find("autos").has_value(); });
        // Once it has heard something, no period is needed for more.
        EXPECT_TRUE(first.pools.put_pool(named("autos", "Cars")).ok());
        world_.wait_until([&] { return name_of(second, "autos") == "Cars"; });
        EXPECT_TRUE(first.pools.remove_pool("autos").ok());
        world_.wait_until([&] { return !second.catalog.find("autos"); });
        EXPECT_FALSE(second.log.has("catalog"));
    });
}

TEST_F(CatalogFollowerTest, HasAPoolThatWasAskedForBeforeTheMessageOfIt) {
    world_.run([&] {
        Daemon& first = world_.start_daemon();
        Daemon& deaf = world_.start_daemon({.deaf = true});
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).ok());
        EXPECT_FALSE(deaf.catalog.find("autos"));
        EXPECT_TRUE(deaf.pools.figures("autos").ok());
        EXPECT_TRUE(deaf.catalog.find("autos"));
        EXPECT_EQ(deaf.pools.figures("boats").error().code, ErrorCode::not_found);
    });
}

TEST_F(CatalogFollowerTest, FindsChangesWithoutMessages) {
    world_.run([&] {
        Daemon& first = world_.start_daemon();
        Daemon& deaf = world_.start_daemon({.catalog_period = 5ms, .deaf = true});
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).ok());
        world_.wait_until([&] { return deaf.catalog.find("autos").has_value(); });
        EXPECT_TRUE(first.pools.put_pool(named("autos", "Cars")).ok());
        world_.wait_until([&] { return name_of(deaf, "autos") == "Cars"; });
        EXPECT_TRUE(first.pools.remove_pool("autos").ok());
        world_.wait_until([&] { return !deaf.catalog.find("autos"); });
    });
}

TEST_F(CatalogFollowerTest, LooksAgainWhereAPoolHasAnsweredDifferently) {
    world_.run([&] {
        Daemon& first = world_.start_daemon();
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).ok());
        Daemon& deaf = world_.start_daemon({.deaf = true});
        const auto index = deaf.catalog.find("autos").value();
        EXPECT_TRUE(first.pools.put_pool(named("autos", "Cars")).ok());
        EXPECT_NE(deaf.follower.version(index),
                  first.follower.version(first.catalog.find("autos").value()));
        for (int i = 0; i < 1000; ++i) deaf.follower.look_again(index);
        world_.wait_until([&] { return name_of(deaf, "autos") == "Cars"; });
        EXPECT_EQ(deaf.follower.version(index),
                  first.follower.version(first.catalog.find("autos").value()));
        EXPECT_LT(deaf.client.stats().calls, 20u) << "all at once";
        EXPECT_TRUE(first.pools.remove_pool("autos").ok());
        deaf.follower.look_again(index);
        world_.wait_until([&] { return !deaf.catalog.find("autos"); });
        EXPECT_EQ(deaf.follower.version(index), 0u);
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).value());
        deaf.follower.look_again(index);
        world_.wait_until([&] { return deaf.catalog.find("autos") == index; });
    });
}

TEST_F(CatalogFollowerTest, TellsOfDefinitionsThatItCanNotReadAndLeavesThemOut) {
    world_.run([&] {
        Daemon& first = world_.start_daemon({.catalog_period = 5ms});
        EXPECT_TRUE(first.pools.put_pool(definition("autos")).ok());
        EXPECT_TRUE(first.pools.put_pool(definition("boats")).ok());
        const PoolKeys keys("ringmaster", "autos");
        const auto spoil = [&](const std::string& bytes) {
            world_.server().command({"HSET", keys.meta, "definition", bytes, "version", "1000"});
            world_.server().command({"HSET", RegistryKeys("ringmaster").pools, "autos", "1000"});
            world_.server().command({"HINCRBY", RegistryKeys("ringmaster").info, "version", "1"});
        };
        spoil("\2 of a later program");
        Daemon& second = world_.start_daemon();
        EXPECT_FALSE(second.catalog.find("autos"));
        EXPECT_TRUE(second.catalog.find("boats"));
        EXPECT_TRUE(
            second.log.has("the definition of pool 'autos' in Redis has a version of the "
                           "format that this program does not know"));
        world_.wait_until([&] { return first.log.has("'autos'"); });
        EXPECT_EQ(name_of(first, "autos"), "") << "as it was";
        const auto index = first.catalog.find("autos").value();
        for (int i = 0; i < 3; ++i) first.follower.look_again(index);
        EXPECT_TRUE(first.follower.catch_up("autos", Deadline::never()).ok());
        EXPECT_EQ(std::ranges::count_if(
                      first.log.lines,
                      [](const std::string& line) { return line.find("'autos'") != line.npos; }),
                  1)
            << "once is enough";
        // Whoever can write one may.
        EXPECT_FALSE(second.pools.put_pool(named("autos", "Cars")).value());
        EXPECT_EQ(name_of(second, "autos"), "Cars");
        world_.wait_until([&] { return name_of(first, "autos") == "Cars"; });
    });
}

TEST_F(CatalogFollowerTest, GoesOnWhenRedisComesBack) {
    world_.run([&] {
        Daemon& daemon = world_.start_daemon({.catalog_period = 5ms});
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).ok());
        daemon.client.crash_before_call(0);
        world_.wait_until([&] {
            return daemon.log.has("the catalog of pools can't be read from Redis: crashed");
        });
        EXPECT_TRUE(daemon.catalog.find("autos"));
        daemon.client.revive();
        world_.wait_until(
            [&] { return daemon.log.has("the catalog of pools can be read from Redis again"); });
    });
}

TEST_F(CatalogFollowerTest, KeepsPoolsThatRedisHasLost) {
    world_.run([&] {
        Daemon& daemon = world_.start_daemon({.catalog_period = 5ms});
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).ok());
        const auto index = daemon.catalog.find("autos").value();
        world_.server().command({"FLUSHALL"});
        const auto told = [&] {
            return std::ranges::count_if(daemon.log.lines, [](const std::string& line) {
                return line.find("Redis has lost pool 'autos'") != line.npos;
            });
        };
        for (int i = 0; i < 3; ++i) {  // asked at each request, it is told once
            daemon.follower.look_again(index);
            world_.wait_until([&] { return told() > 0; });
            EXPECT_TRUE(daemon.follower.catch_up("autos", Deadline::never()));
        }
        EXPECT_EQ(told(), 1);
        EXPECT_TRUE(daemon.catalog.find("autos"));

        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).ok());
        world_.server().command({"FLUSHALL"});
        daemon.follower.look_again(index);
        world_.wait_until([&] { return told() == 2; });
    });
}

TEST_F(CatalogFollowerTest, DoesNotStartWithoutRedis) {
    world_.run([&] {
        world_.start_daemon();
        world_.server().kill();
        EXPECT_THROW(world_.start_daemon(), std::runtime_error);
    });
}

TEST(DefinitionFormatTest, ReadsWhatItHasWritten) {
    auto pool = definition("autos");
    pool.name = "B\xc3\xa4ume";
    pool.key = std::string("\0key\xff", 5);
    pool.lifetime = 720h;
    pool.cooldown = 720h;
    pool.max_hold = 8760h;
    pool.allow_overflow = false;
    pool.tracking_url = std::string(2048, 'u');
    pool.default_region = "DE";
    for (const bool without_overflow : {false, true}) {
        if (without_overflow) pool.overflow = {};
        const std::string bytes = encode_definition(pool);
        EXPECT_EQ(decode_definition(bytes, "autos").value(), pool);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(decode_definition(bytes.substr(0, size), "autos").ok()) << size;
        }
        EXPECT_FALSE(decode_definition(bytes + "x", "autos").ok());
        EXPECT_EQ(decode_definition(bytes, "boats").error().message, "is that of another pool");
    }
    pool.lifetime = 0s;
    EXPECT_EQ(decode_definition(encode_definition(pool), "autos").error().code, ErrorCode::damaged);
}

}  // namespace
}  // namespace ringmaster::redis_store
