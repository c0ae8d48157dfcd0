#include "ringmaster/app/estate.hpp"

#include <string>
#include <unistd.h>

#include "collected_log.hpp"
#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

class EstateTest : public testing::Test {
  protected:
    Config load(const std::string& name, const std::string& server, const std::string& data_dir) {
        auto config = load_config(directory_.write(
            name, "[server]\n" + server + "[store]\ndata_dir = \"" + data_dir + "\"\n"));
        if (!config) throw std::runtime_error(config.error().message);
        return *std::move(config);
    }

    ScratchDirectory directory_;
    SystemClock clock_;
    CollectedLog log_;
};

TEST_F(EstateTest, IsThereForEachShard) {
    const Config config = load("x.toml", "listen = \"127.0.0.1:0\"\nshards = 3\n", "store");
    const auto estate = prepare(config, clock_, log_);
    ASSERT_TRUE(estate) << estate.error().message;
    EXPECT_EQ(estate->shards(), 3u);
    EXPECT_EQ(estate->page.shard_count(), 3u);
    EXPECT_EQ(estate->sockets.peer_sockets.size(), 3u);
    const auto other = prepare(config, clock_, log_);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().message.find("is in use by another process"), std::string::npos);
}

TEST_F(EstateTest, HasAShardForEachCoreWhereNoneAreTold) {
    const Config automatic = load("x.toml", "", "store");
    EXPECT_GE(shard_count(automatic), 1u);
    EXPECT_LE(shard_count(automatic), 256u);
    EXPECT_EQ(shard_count(load("x.toml", "shards = 7\n", "store")), 7u);
}

TEST_F(EstateTest, IsInheritedWithItsLock) {
    const Config config = load("x.toml", "listen = \"127.0.0.1:0\"\nshards = 1\n", "store");
    auto first = prepare(config, clock_, log_);
    ASSERT_TRUE(first) << first.error().message;
    // As another program would have them.
    Handover handover{.page = ::dup(first->page.fd()),
                      .lock = ::dup(first->directory->lock_fd()),
                      .control = ::dup(first->sockets.control.get()),
                      .clients = {},
                      .settings = settings_of_estate(config),
                      .shards = {{.public_socket = ::dup(first->sockets.public_sockets[0].get()),
                                  .own_socket = ::dup(first->sockets.own_sockets[0].get()),
                                  .peer_socket = ::dup(first->sockets.peer_sockets[0].get()),
                                  .stream = 5,
                                  .heard = ""}}};
    first->page.shard(0).restarts = 3;
    { const Estate gone = *std::move(first); }
    auto second = inherit(handover);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->streams, std::vector<std::uint32_t>{5});
    EXPECT_EQ(second->page.shard(0).restarts, 3u);
    EXPECT_FALSE(prepare(config, clock_, log_));  // locked as before
}

TEST_F(EstateTest, IsNotInheritedWithAPageOfSomethingElse) {
    const auto page = shard::SharedPage::create(2);
    ASSERT_TRUE(page);
    Handover handover;
    handover.page = ::dup(page->fd());
    handover.settings = {{"[store] data_dir", "x"}};
    handover.shards.resize(1);
    EXPECT_FALSE(inherit(handover));  // it is one for two shards
}

TEST_F(EstateTest, HoldsSomeSettingsUntilTheDaemonIsStopped) {
    const Config before = load(
        "x.toml", "listen = \"127.0.0.1:8080\"\nshards = 2\nrun_dir = \"run\"\nbacklog = 5\n", "a");
    Config after =
        load("y.toml",
             "listen = \"127.0.0.1:9090\"\nshards = 3\nrun_dir = \"other\"\nbacklog = 6\n", "b");
    EXPECT_EQ(settings_of_estate(before).size(), 8u);
    EXPECT_EQ(keep_settings(settings_of_estate(before), after),
              "[server] listen, [server] shards, [server] run_dir, [store] data_dir");
    EXPECT_EQ(net::to_string(after.listen), "127.0.0.1:8080");
    EXPECT_EQ(after.run_dir, before.run_dir);
    EXPECT_EQ(after.store.directory, before.store.directory);
    EXPECT_EQ(after.server.backlog, 6);
    EXPECT_EQ(different_settings(before, after), "[server] backlog");
    EXPECT_EQ(keep_settings(settings_of_estate(before), after), "");
}

}  // namespace
}  // namespace ringmaster::app
