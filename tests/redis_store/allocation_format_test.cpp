#include "ringmaster/redis_store/allocation_format.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::redis_store {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using ringpool::Context;
using ringpool::Session;
using Outcome = AllocatedRow::Outcome;

std::string eight(std::uint64_t value) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> 8 * i));
    return bytes;
}
std::string with_length(const std::string& text) {
    return static_cast<char>(text.size()) + text;
}
std::string head() {
    return eight(7) + eight(1000);
}
std::string row(char outcome, std::uint64_t expires_at, const std::string& digits,
                const std::string& formatted) {
    return outcome + eight(expires_at) + with_length(digits) + with_length(formatted);
}

TEST(AllocationFormat, TellsNoIdAndAnEmptyIdApart) {
    const auto holder = [](const Session& session) {
        std::string bytes = "before ";
        append_holder(bytes, session, false);
        return bytes.substr(7);
    };
    const Context context("\1\1\0av"sv);
    EXPECT_EQ(holder({{}, context}), "\0\0\0\0\1\1\0av"s);
    EXPECT_EQ(holder({"", context}), "\1\0\0\0\1\1\1\0av"s);
    EXPECT_EQ(holder({"ann", context}), "\4\0\0\0\1ann\1\1\0av"s);
    EXPECT_EQ(holder({"ann", {}}), "\4\0\0\0\1ann"s);
    EXPECT_EQ(holder({std::string(299, 'x'), {}}), "\x2c\1\0\0\1"s + std::string(299, 'x'));
}

TEST(AllocationFormat, WritesASessionLowestByteFirst) {
    std::string bytes = "before ";
    append_session(bytes, {0x0102030405060708, 0x1112131415161718});
    EXPECT_EQ(bytes, "before \x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11");
}

TEST(AllocationFormat, ReadsWhatHasBecomeOfEachRow) {
    const std::string bytes = head() + row('n', 1500, "18665550142", "866-555-0142") + "x" +
                              row('e', 1600, "1", "") + row('r', 1700, "999999999999999", "f") +
                              row('c', 1001, "4930", "030 / 4930 and 23 byte.");
    auto answer = AllocationAnswer::read(bytes, 5);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->version(), 7u);
    EXPECT_EQ(answer->now(), WallTime(std::chrono::milliseconds(1000)));

    const AllocatedRow first = answer->next();
    EXPECT_EQ(first.outcome, Outcome::new_hold);
    EXPECT_EQ(first.number.digits(), 18665550142u);
    EXPECT_EQ(first.formatted.view(), "866-555-0142");
    EXPECT_EQ(first.expires_at, WallTime(std::chrono::milliseconds(1500)));
    EXPECT_EQ(answer->next().outcome, Outcome::exhausted);
    EXPECT_EQ(answer->next().outcome, Outcome::early_reissue);
    const AllocatedRow fourth = answer->next();
    EXPECT_EQ(fourth.outcome, Outcome::refreshed);
    EXPECT_EQ(fourth.number.digits(), 999'999'999'999'999u);
    const AllocatedRow last = answer->next();
    EXPECT_EQ(last.outcome, Outcome::capped);
    EXPECT_EQ(last.formatted.view(), "030 / 4930 and 23 byte.");
}

TEST(AllocationFormat, RefusesAnswersOfAnotherLength) {
    const std::string bytes = head() + row('n', 1500, "18665550142", "866-555-0142") + "x";
    EXPECT_TRUE(AllocationAnswer::read(bytes, 2));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(AllocationAnswer::read(bytes.substr(0, size), 2)) << size;
    }
    EXPECT_FALSE(AllocationAnswer::read(bytes + "x", 2));
    EXPECT_FALSE(AllocationAnswer::read(bytes, 1));
    EXPECT_FALSE(AllocationAnswer::read(bytes, 3));
}

TEST(AllocationFormat, RefusesWhatNoFunctionSays) {
    const std::vector<std::pair<const char*, std::string>> wrong = {
        {"outcome", row('y', 1500, "18665550142", "f")},
        {"outcome 0", row('\0', 1500, "18665550142", "f")},
        {"no digits", row('n', 1500, "", "f")},
        {"zero", row('n', 1500, "0", "f")},
        {"sign", row('n', 1500, "-18665550142", "f")},
        {"letter", row('n', 1500, "1866555014x", "f")},
        {"16 digits", row('n', 1500, "1000000000000000", "f")},
        {"more than 64 bits", row('n', 1500, "18665550142186655501421866", "f")},
        {"formatted too long", row('n', 1500, "18665550142", std::string(24, 'f'))},
        {"over already", row('n', 1000, "18665550142", "f")},
        {"over long ago", row('n', 0, "18665550142", "f")},
        {"for ever", row('n', std::uint64_t{1} << 53, "18665550142", "f")},
        {"before all times", row('n', ~std::uint64_t{0}, "18665550142", "f")},
    };
    for (const auto& [what, bytes] : wrong) {
        EXPECT_FALSE(AllocationAnswer::read(head() + bytes, 1)) << what;
    }
    const std::string good = row('n', 1500, "18665550142", "f");
    EXPECT_TRUE(AllocationAnswer::read(head() + good, 1));
    EXPECT_FALSE(AllocationAnswer::read(eight(7) + eight(~std::uint64_t{0}) + good, 1));
}

}  // namespace
}  // namespace ringmaster::redis_store
