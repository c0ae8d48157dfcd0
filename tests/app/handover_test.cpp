#include "ringmaster/app/handover.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using shard::ShardPhase;

Handover example() {
    Handover handover;
    handover.page = 5;
    handover.lock = 6;
    handover.control = 7;
    handover.clients = {20, 21};
    handover.settings = {{"[server] listen", "127.0.0.1:8080"},
                         {"[store] data_dir", "/data of\nmine/\xFF 100%"},
                         {"[server] pid_file", ""}};
    handover.shards = {{8, 9, 10, 11, 4711, ShardPhase::serving, 3, ""},
                       {12, 13, 14, -1, 0, ShardPhase::dead, 4294967295, "conf ig"}};
    return handover;
}

TEST(HandoverTest, IsReadAsItWasWritten) {
    const auto read = read_handover(write_handover(example()));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, example());
}

TEST(HandoverTest, IsTextWithAVersion) {
    Handover handover = example();
    handover.clients = {20};
    handover.settings = {{"[server] shards", "2"}};
    EXPECT_EQ(write_handover(handover),
              "ringmaster-handover 1\n"
              "page 5\n"
              "lock 6\n"
              "control 7\n"
              "client 20\n"
              "setting %5Bserver%5D%20shards 2\n"
              "shard 8 9 10 11 4711 3 3 \n"
              "shard 12 13 14 -1 0 5 4294967295 conf%20ig\n"
              "end\n");
}

TEST(HandoverTest, NamesItsDescriptors) {
    EXPECT_EQ(example().descriptors(),
              (std::vector<int>{5, 6, 7, 20, 21, 8, 9, 10, 11, 12, 13, 14}));
}

TEST(HandoverTest, RefusesWhatItDoesNotKnow) {
    const std::string good = write_handover(example());
    const auto with = [&](const std::string& line) {
        return good.substr(0, good.size() - 4) + line + "\nend\n";
    };
    const std::string shard = "shard 1 2 3 4 5 3 7 ";
    EXPECT_TRUE(read_handover(with(shard)));
    std::string many = good.substr(0, good.size() - 4);
    for (int i = 0; i < 255; ++i) many += shard + "\n";  // 257 with those of the example
    std::vector<std::string> bad = {"",
                                    "ringmaster-handover 2" + good.substr(21),
                                    good + "\n",
                                    with("more 1"),
                                    with("client"),
                                    with("client x"),
                                    with("client 1 2"),
                                    with("setting %G1 x"),
                                    with("shard 1 2 3 4 5 6 7 "),
                                    with("shard 1 2 3 4 5 3 -1 "),
                                    many + "end\n",
                                    "ringmaster-handover 1\npage 5\nlock 6\ncontrol 7\nend\n"};
    // A part of it is never taken for the whole.
    for (std::size_t size = 0; size + 1 < good.size(); ++size) bad.push_back(good.substr(0, size));
    for (const std::string& text : bad) {
        const auto read = read_handover(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, ErrorCode::invalid);
    }
}

TEST(HandoverTest, GoesThroughTheEnvironmentOnce) {
    Handover handover = example();
    const int pipe_end = ::open("/dev/null", O_RDONLY);
    handover.page = pipe_end;
    const int file = make_handover_file(handover);
    ASSERT_GE(file, 0);
    EXPECT_EQ(::fcntl(file, F_GETFD), FD_CLOEXEC);
    ASSERT_EQ(::setenv(kHandoverVariable, std::to_string(file).c_str(), 1), 0);
    const auto received = receive_handover();
    ASSERT_TRUE(received) << received.error().message;
    ASSERT_TRUE(received->has_value());
    EXPECT_EQ(**received, handover);
    EXPECT_EQ(::fcntl(pipe_end, F_GETFD), FD_CLOEXEC);
    ::close(pipe_end);

    const auto again = receive_handover();
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->has_value());
}

TEST(HandoverTest, TellsAnEnvironmentThatIsWrong) {
    for (const char* value : {"", "x", "99999", "-1"}) {
        ASSERT_EQ(::setenv(kHandoverVariable, value, 1), 0);
        EXPECT_FALSE(receive_handover()) << value;
        EXPECT_EQ(std::getenv(kHandoverVariable), nullptr);
    }
}

}  // namespace
}  // namespace ringmaster::app
