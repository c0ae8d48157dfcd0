#include "ringmaster/redis/reply_reader.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/seed.hpp"
#include "reply_text.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// All replies in `bytes`, as they would be sent; then, where they make no sense, "!" and why.
std::vector<std::string> read(std::string_view bytes, std::size_t step, ReplyLimits limits = {}) {
    if (limits.max_reply_bytes == ReplyLimits().max_reply_bytes)
        fuzz::keep_seed("redis_reply", bytes);
    ReplyReader reader(limits);
    std::vector<std::string> replies;
    while (true) {
        const auto reply = reader.next();
        if (!reply) {
            EXPECT_EQ(reply.error().code, ErrorCode::damaged);
            replies.push_back("!" + reply.error().message);
            reader.feed("+more\r\n");
            const auto again = reader.next();
            EXPECT_FALSE(again.ok()) << "an error is the end";
            return replies;
        }
        if (reply.value()) {
            replies.push_back(to_resp(*reply.value()));
            continue;
        }
        if (bytes.empty()) return replies;
        reader.feed(bytes.substr(0, step));
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
}

TEST(ReplyReader, ReadsEachTypeWhereverItIsTorn) {
    const std::vector<std::string> replies = {
        "+OK\r\n",
        "+\r\n",
        "-ERR unknown command\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        ":9223372036854775807\r\n",
        "$-1\r\n",
        "$0\r\n\r\n",
        "$5\r\na\r\nb\n\r\n",
        "*0\r\n",
        "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n",
        "*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n$-1\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:8\r\n",
    };
    std::string all;
    for (const std::string& reply : replies) {
        EXPECT_THAT(read(reply, reply.size()), ElementsAre(reply));
        all += reply;
    }
    for (std::size_t step = 1; step <= all.size(); ++step) EXPECT_EQ(read(all, step), replies);
}

TEST(ReplyReader, ANilArrayIsNil) {
    EXPECT_THAT(read("*-1\r\n*2\r\n*-1\r\n:1\r\n", 100),
                ElementsAre("$-1\r\n", "*2\r\n$-1\r\n:1\r\n"));
}

TEST(ReplyReader, OfABrokenReplyNothingIsToldAndNothingAfterIt) {
    for (const std::string_view bytes :
         {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n", "*x\r\n",
          "*4294967296\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:9\r\n",
          "*2\r\n:1\r\n?\r\n"}) {
        for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
            const auto replies = read(bytes, step);
            ASSERT_EQ(replies.size(), 1u) << bytes;
            EXPECT_THAT(replies[0], HasSubstr("!no reply of Redis: ")) << bytes;
        }
    }
    EXPECT_EQ(read("+OK\r\n!\r\n", 100).at(0), "+OK\r\n");
}

TEST(ReplyReader, AReplyOverALimitIsRefusedHoweverItComes) {
    ReplyLimits limits{.max_reply_bytes = 40, .max_line_bytes = 16, .max_elements = 4};
    const std::string longest = "$34\r\n" + std::string(34, 'x') + "\r\n";  // 41 bytes
    for (const std::size_t step : {1, 7, 1000}) {
        EXPECT_THAT(read(longest, step, limits), ElementsAre(HasSubstr("more than 40 bytes")));
        EXPECT_THAT(read("$33\r\n" + std::string(33, 'x') + "\r\n+OK\r\n", step, limits),
                    ElementsAre(HasSubstr("xxx"), "+OK\r\n"));
        EXPECT_THAT(read("+" + std::string(17, 'x') + "\r\n", step, limits),
                    ElementsAre(HasSubstr("line of a reply is too long")));
        EXPECT_THAT(read("-" + std::string(30, 'x'), step, limits),
                    ElementsAre(HasSubstr("line of a reply is too long")));
        EXPECT_THAT(read("+" + std::string(16, 'x') + "\r\n", step, limits),
                    ElementsAre(HasSubstr("xxx")));
        EXPECT_THAT(read("*5\r\n", step, limits), ElementsAre(HasSubstr("too many elements")));
        EXPECT_THAT(read("*2\r\n*2\r\n:1\r\n:1\r\n*1\r\n", step, limits),
                    ElementsAre(HasSubstr("too many elements")));
        EXPECT_THAT(
            read("*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", step, limits),
            ElementsAre(HasSubstr(":2"), HasSubstr("*4")));
    }
}

TEST(ReplyReader, ManyShortRepliesAreNotOneLongOne) {
    ReplyLimits limits{.max_reply_bytes = 40};
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += "+OK\r\n";
    EXPECT_EQ(read(bytes, bytes.size(), limits).size(), 1000u);
    EXPECT_EQ(read(bytes, 3, limits).size(), 1000u);
}

TEST(ReplyReader, AnnouncedLengthsTakeNoMemory) {
    // Were it taken, not even the first of them could be read here.
    std::vector<std::unique_ptr<ReplyReader>> readers;
    for (int i = 0; i < 1000; ++i) {
        readers.push_back(
            std::make_unique<ReplyReader>(ReplyLimits{.max_elements = 2'000'000'000}));
        readers.back()->feed(i % 2 == 0 ? "*1000000000\r\n" : "$1000000000\r\n");
        const auto reply = readers.back()->next();
        ASSERT_TRUE(reply.ok());
        EXPECT_FALSE(reply.value().has_value());
    }
}

}  // namespace
}  // namespace ringmaster::redis
