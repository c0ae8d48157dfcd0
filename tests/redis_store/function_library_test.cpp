#include "ringmaster/redis_store/function_library.hpp"

#include <string>

#include "redis_store/world.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;

class FunctionLibraryTest : public ::testing::Test {
  protected:
    Result<void> load(std::chrono::milliseconds within = 20s) {
        Result<void> result;
        world_.run([&] {
            const auto client =
                redis::make_client(world_.reactor(), client_options(world_.server()), log_);
            result = load_function_library(
                *client, Deadline::at(world_.reactor().scheduler().now() + within));
            client->stop();
        });
        return result;
    }
    std::string revision() { return world_.server().command({"FCALL_RO", "rm1_revision", "0"}); }
    /// As another program's library would be, one with this revision.
    static std::string text_with_revision(const std::string& revision) {
        std::string text(function_library_text());
        const std::string before = "\nlocal REVISION = ";
        const std::size_t begin = text.find(before) + before.size();
        return text.replace(begin, text.find('\n', begin) - begin, revision);
    }
    void put(const std::string& text) {
        EXPECT_EQ(world_.server().command({"FUNCTION", "LOAD", "REPLACE", text}), "ringmaster_1");
    }

    NullLog log_;
    World world_;
};

TEST_F(FunctionLibraryTest, IsLoadedWhereItIsMissing) {
    EXPECT_TRUE(function_library_text().starts_with("#!lua name=ringmaster_1\n"));
    EXPECT_TRUE(revision().starts_with("-"));
    EXPECT_TRUE(load());
    EXPECT_GE(std::stoi(revision()), 1);
    EXPECT_TRUE(load());
}

TEST_F(FunctionLibraryTest, ReplacesAnOlderOneAndNoNewerOne) {
    EXPECT_TRUE(load());
    const std::string own = revision();
    put(text_with_revision("0"));
    EXPECT_EQ(revision(), "0");
    EXPECT_TRUE(load());
    EXPECT_EQ(revision(), own);

    put(text_with_revision("1000"));
    EXPECT_TRUE(load());
    EXPECT_EQ(revision(), "1000");
}

TEST_F(FunctionLibraryTest, FailsWhereTheServerDoesNotTakeIt) {
    world_.server().command({"ACL", "SETUSER", "default", "-function"});
    EXPECT_FALSE(load());
    world_.server().command({"ACL", "SETUSER", "default", "+function"});
    EXPECT_TRUE(load());
    world_.server().kill();
    EXPECT_FALSE(load(50ms));
}

}  // namespace
}  // namespace ringmaster::redis_store
