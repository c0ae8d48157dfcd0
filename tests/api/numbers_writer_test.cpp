#include "ringmaster/api/numbers_writer.hpp"

#include <chrono>
#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

class NumbersWriterTest : public ::testing::Test {
  protected:
    std::string row(const NumbersWriter::RequestId& request_id,
                    const ringpool::Allocation& allocation) {
        std::string out;
        writer_.append_row(out, request_id, allocation);
        return out;
    }
    std::string expires_at(WallTime time) {
        ringpool::Allocation allocation = FakeStore::number(0);
        allocation.expires_at = time;
        const std::string text = row(std::nullopt, allocation);
        return text.substr(text.size() - 22, 20);
    }
    static WallTime at(int year, unsigned month, unsigned day) {
        return std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) /
                                     static_cast<int>(day));
    }

    NumbersWriter writer_;
};

TEST_F(NumbersWriterTest, WritesAnAllocation) {
    EXPECT_EQ(row("193C5F", FakeStore::number(0)),
              R"({"request_id":"193C5F","number":"+18665550142","formatted":"866-555-0142",)"
              R"("expires_at":"2026-11-21T17:31:05Z"})");
    EXPECT_EQ(row(std::nullopt, FakeStore::number(0)),
              R"({"number":"+18665550142","formatted":"866-555-0142",)"
              R"("expires_at":"2026-11-21T17:31:05Z"})");
}

TEST_F(NumbersWriterTest, WritesAnOverflowWithItsReason) {
    ringpool::Allocation overflow = FakeStore::number(0);
    overflow.outcome = ringpool::Allocation::Outcome::overflow;
    overflow.reason = ringpool::OverflowReason::owner_slow;
    EXPECT_EQ(row("", overflow),
              R"({"request_id":"","number":"+18665550142","formatted":"866-555-0142",)"
              R"("overflow":true,"reason":"owner_slow"})");
    overflow.reason = ringpool::OverflowReason::exhausted;
    EXPECT_EQ(row(std::nullopt, overflow), R"({"number":"+18665550142","formatted":"866-555-0142",)"
                                           R"("overflow":true,"reason":"exhausted"})");
}

TEST_F(NumbersWriterTest, WritesAnErrorWithItsRequestId) {
    std::string out;
    writer_.append_error(out, "r\n", {ErrorClass::invalid_input, "say \"please\""});
    EXPECT_EQ(out, R"({"request_id":"r\n","error_class":"InvalidInput",)"
                   R"("message":"say \"please\""})");
    out.clear();
    writer_.append_error(out, std::nullopt, {ErrorClass::pool_exhausted, ""});
    EXPECT_EQ(out, R"({"error_class":"PoolExhausted","message":""})");
}

TEST_F(NumbersWriterTest, AppendsToWhatIsThere) {
    std::string out = "[";
    writer_.append_row(out, std::string(5000, 'x'), FakeStore::number(0));
    EXPECT_EQ(out.substr(0, 20), R"([{"request_id":"xxxx)");
    EXPECT_EQ(out.size(), 1 + 15 + 5000 + row("", FakeStore::number(0)).size() - 15);
}

TEST_F(NumbersWriterTest, EscapesEveryByteThatNeedsIt) {
    // In each place of a text of each length around the sizes that are looked at in one go.
    for (std::size_t size = 1; size <= 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const auto& [byte, written] :
                 {std::pair("\""sv, "\\\""sv), std::pair("\\"sv, "\\\\"sv),
                  std::pair("\n"sv, "\\n"sv), std::pair("\0"sv, "\\u0000"sv),
                  std::pair("\x1f"sv, "\\u001f"sv), std::pair("\x80"sv, "\ufffd"sv),
                  std::pair(" "sv, " "sv), std::pair("\x7f"sv, "\x7f"sv), std::pair("!"sv, "!"sv),
                  std::pair("#"sv, "#"sv), std::pair("["sv, "["sv), std::pair("]"sv, "]"sv)}) {
                std::string id(size, 'x');
                id.replace(at, 1, byte);
                std::string expected(size, 'x');
                expected.replace(at, 1, written);
                const std::string text = row(id, FakeStore::number(0));
                ASSERT_EQ(text.substr(15, expected.size() + 2), expected + "\",")
                    << size << " bytes, at " << at;
            }
        }
    }
}

TEST_F(NumbersWriterTest, EscapesFormattedNumbersToo) {
    ringpool::Allocation allocation = FakeStore::number(0);
    allocation.formatted = ringpool::FormattedNumber("\"866\" 555\\0142");
    EXPECT_NE(row("r", allocation).find(R"("formatted":"\"866\" 555\\0142","expires_at")"),
              std::string::npos);
}

TEST_F(NumbersWriterTest, FitsTheLongestOfEverything) {
    ringpool::Allocation longest;
    longest.outcome = ringpool::Allocation::Outcome::overflow;
    longest.reason = ringpool::OverflowReason::store_unavailable;
    longest.number = ringpool::PhoneNumber::from_digits(18'446'744'073'709'551'615u);
    longest.formatted = ringpool::FormattedNumber(std::string(30, '9'));
    EXPECT_EQ(row(std::string(32, 'r'), longest),
              R"({"request_id":")" + std::string(32, 'r') +
                  R"(","number":"+18446744073709551615","formatted":"99999999999999999999999",)"
                  R"("overflow":true,"reason":"store_unavailable"})");
}

TEST_F(NumbersWriterTest, WritesTimesInUtcToTheSecond) {
    EXPECT_EQ(expires_at(WallTime()), "1970-01-01T00:00:00Z") << "also as the first one";
    EXPECT_EQ(expires_at(WallTime(999ms)), "1970-01-01T00:00:00Z");
    EXPECT_EQ(expires_at(WallTime(1000ms)), "1970-01-01T00:00:01Z");
    EXPECT_EQ(expires_at(at(2024, 2, 29) + 23h + 59min + 59s), "2024-02-29T23:59:59Z");
    EXPECT_EQ(expires_at(at(2024, 3, 1)), "2024-03-01T00:00:00Z");
    EXPECT_EQ(expires_at(at(2024, 2, 29) + 23h + 59min + 59s), "2024-02-29T23:59:59Z");
    EXPECT_EQ(expires_at(at(9999, 12, 31)), "9999-12-31T00:00:00Z");
}

}  // namespace
}  // namespace ringmaster::api
