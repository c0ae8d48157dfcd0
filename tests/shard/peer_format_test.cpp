#include "ringmaster/shard/peer_format.hpp"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/seed.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::Allocation;
using ringpool::Context;
using ringpool::FormattedNumber;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using ::testing::HasSubstr;

std::string context_bytes() {
    ringpool::ContextBuilder builder({});
    std::string bytes;
    builder.start();
    EXPECT_TRUE(builder.add("utm_source", "google"));
    EXPECT_TRUE(builder.add("gclid", ""));
    builder.finish(bytes);
    return bytes;
}

void expect_same(const RequestRow& a, const RequestRow& b) {
    EXPECT_EQ(a.pool_id, b.pool_id);
    EXPECT_EQ(a.session.id, b.session.id);
    EXPECT_EQ(a.session.context.bytes(), b.session.context.bytes());
    EXPECT_EQ(a.keeps_context, b.keeps_context);
}

TEST(PeerFormat, IsTheSameInEveryBuild) {
    const FrameHead head{5, 0x1112131415161718, 0x0102030405060708, CallType::release, true, true};
    std::string bytes(FrameHead::kBytes, 'x');
    head.encode(bytes.data());
    EXPECT_EQ(bytes,
              std::string("\5\0\0\0\2\3\0\0\x8\7\6\5\4\3\2\1\x18\x17\x16\x15\x14\x13\x12\x11", 24));
    EXPECT_EQ(greeting(), std::string("RMSH\1\0\0\0", 8));

    std::string row;
    RequestRow{"autos", {"v-81", Context()}}.append_to(row);
    EXPECT_EQ(row, std::string("\5\1\4\0\0\0\0\0autosv-81", 17));
}

TEST(PeerFormat, AnotherVersionIsRefusedWithBothNumbers) {
    EXPECT_TRUE(check_greeting(greeting()));
    const auto other = check_greeting(std::string("RMSH\7\0\0\0", 8));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ErrorCode::damaged);
    EXPECT_THAT(other.error().message, HasSubstr("version 7"));
    EXPECT_THAT(other.error().message, HasSubstr("this one version 1"));
    EXPECT_THAT(check_greeting("GET / HT").error().message, HasSubstr("no shard"));
}

TEST(PeerFormat, FrameHeadsAreReadAsTheyWereWritten) {
    for (const auto type : {CallType::allocate, CallType::profile}) {
        for (const auto& [answer, failed] :
             {std::pair(false, false), {true, false}, {true, true}}) {
            const FrameHead head{
                0xfedcba98, FrameHead::ns_of(Deadline::never()), ~std::uint64_t{0}, type, answer,
                failed};
            std::string bytes(FrameHead::kBytes, '\0');
            head.encode(bytes.data());
            EXPECT_EQ(FrameHead::decode(bytes), head);
        }
    }
}

TEST(PeerFormat, DeadlinesMeanTheSameInAllProcesses) {
    EXPECT_TRUE(
        FrameHead{.deadline_ns = FrameHead::ns_of(Deadline::never())}.deadline().is_never());
    const SteadyTime time{std::chrono::nanoseconds(1'234'567'890'123)};
    const FrameHead head{.deadline_ns = FrameHead::ns_of(Deadline::at(time))};
    EXPECT_EQ(head.deadline_ns, 1'234'567'890'123);
    EXPECT_EQ(head.deadline().time(), time);
}

TEST(PeerFormat, WhatIsNoFrameHeadIsRefused) {
    std::string good(FrameHead::kBytes, '\0');
    FrameHead{.type = CallType::sweep}.encode(good.data());
    ASSERT_TRUE(FrameHead::decode(good));
    for (const auto& [place, byte] : {std::pair{4, '\0'},
                                      {4, '\22'},
                                      {4, '\377'},
                                      {5, '\2'},
                                      {5, '\4'},
                                      {6, '\1'},
                                      {7, '\1'}}) {
        std::string bad = good;
        bad[static_cast<std::size_t>(place)] = byte;
        EXPECT_FALSE(FrameHead::decode(bad)) << place;
    }
}

TEST(PeerFormat, OnlyTheNumbersOfAPoolMayBeVeryLarge) {
    const FrameLimits limits{.max_payload_bytes = 10, .max_numbers_bytes = 100};
    EXPECT_EQ(limits.max_bytes(CallType::allocate), 10u);
    EXPECT_EQ(limits.max_bytes(CallType::set_numbers), 100u);
    EXPECT_EQ(limits.max_bytes(CallType::edit_numbers), 100u);
}

/// A row of each kind, one behind the other.
std::vector<RequestRow> make_rows(const std::string& context, const std::string& long_id) {
    return {{"autos", {"v-81", Context(context)}},
            {"autos", {"", Context()}},  // an empty id is an id
            {"a.b-c_9", {std::nullopt, Context(context)}},
            {"", {std::nullopt, Context()}},
            {"autos", {"v-81", Context(context)}, true},
            {"autos", {std::nullopt, Context(context)}, true},
            {std::string_view(long_id).substr(0, 255), {long_id, Context(context)}}};
}

TEST(PeerFormat, RowsAreReadAsTheyWereWritten) {
    const std::string context = context_bytes();
    const std::string long_id(RequestRow::kMaxSessionBytes, 's');
    const auto rows = make_rows(context, long_id);
    std::string bytes;
    for (const RequestRow& row : rows) {
        const std::size_t before = bytes.size();
        row.append_to(bytes);
        EXPECT_EQ(bytes.size() - before, row.bytes());
    }
    std::string_view rest = bytes;
    for (const RequestRow& row : rows) {
        const auto read = RequestRow::take(rest);
        ASSERT_TRUE(read);
        expect_same(*read, row);
    }
    EXPECT_TRUE(rest.empty());
}

TEST(PeerFormat, ARowThatIsCutOffAnywhereIsNone) {
    std::string bytes;
    const std::string context = context_bytes();
    RequestRow{"autos", {"v-81", Context(context)}}.append_to(bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        // In memory of just this size, so that AddressSanitizer sees who reads beyond.
        const std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<long>(size));
        std::string_view rest(part.data(), part.size());
        EXPECT_FALSE(RequestRow::take(rest)) << size;
        EXPECT_EQ(rest.size(), size) << "and nothing is taken";
    }
}

TEST(PeerFormat, ARowIsRefusedWhoseContextIsNotCanonical) {
    std::string bytes;
    RequestRow{"autos", {std::nullopt, Context()}}.append_to(bytes);
    bytes[4] = 4;
    bytes.append("\1\1\0n", 4);
    std::string_view rest = bytes;
    EXPECT_FALSE(RequestRow::take(rest));
    bytes += "v";
    bytes[4] = 5;
    rest = bytes;
    EXPECT_TRUE(RequestRow::take(rest));
}

TEST(PeerFormat, ASessionIdWithoutItsFlagIsRefusedAndAnUnknownFlagIs) {
    std::string bytes;
    RequestRow{"autos", {"v-81", Context()}}.append_to(bytes);
    for (const char flags : {'\0', '\2', '\4', '\5'}) {
        bytes[1] = flags;
        std::string_view rest = bytes;
        EXPECT_FALSE(RequestRow::take(rest)) << int{flags};
    }
}

Allocation make_allocation(Allocation::Outcome outcome) {
    Allocation allocation;
    allocation.outcome = outcome;
    allocation.reason = OverflowReason::owner_down;
    allocation.number = PhoneNumber::from_digits(999'999'999'999'999);
    allocation.formatted = FormattedNumber(std::string(FormattedNumber::kCapacity, '5'));
    allocation.expires_at = WallTime(std::chrono::milliseconds(1'795'282'265'123));
    return allocation;
}

TEST(PeerFormat, AnswersAreReadAsTheyWereWritten) {
    for (const auto outcome : {Allocation::Outcome::allocated, Allocation::Outcome::overflow,
                               Allocation::Outcome::refused}) {
        const Allocation allocation = make_allocation(outcome);
        std::string bytes;
        AnswerRow::append(bytes, allocation);
        ASSERT_EQ(bytes.size(), AnswerRow::kBytes);
        Allocation read;
        ASSERT_EQ(AnswerRow::decode(bytes.data(), read), AnswerRow::Kind::answered);
        EXPECT_EQ(read.outcome, outcome);
        EXPECT_EQ(read.reason, allocation.reason);
        EXPECT_EQ(read.number, allocation.number);
        EXPECT_EQ(read.formatted, allocation.formatted);
        EXPECT_EQ(read.expires_at, allocation.expires_at);
    }
    std::string bytes;
    AnswerRow::append_unknown_pool(bytes);
    Allocation untouched;
    ASSERT_EQ(bytes.size(), AnswerRow::kBytes);
    EXPECT_EQ(AnswerRow::decode(bytes.data(), untouched), AnswerRow::Kind::unknown_pool);
}

TEST(PeerFormat, AnAnswerWithoutSenseIsInvalid) {
    std::string good;
    AnswerRow::append(good, make_allocation(Allocation::Outcome::allocated));
    for (const auto& [place, byte] :
         {std::pair{16, '\4'}, {17, '\4'}, {18, '\30'}, {15, '\177'}, {15, '\200'}}) {
        std::string bad = good;
        bad[static_cast<std::size_t>(place)] = byte;
        Allocation allocation;
        EXPECT_EQ(AnswerRow::decode(bad.data(), allocation), AnswerRow::Kind::invalid) << place;
        EXPECT_FALSE(allocation.number) << "and leaves the allocation alone";
    }
}

// Whatever bytes come, what is read is within them and is written as the same again.
TEST(PeerFormat, RandomChangesDoNoHarm) {
    std::mt19937 random(1);
    const std::string context = context_bytes();
    const std::string id = "some-session";
    std::string good;
    for (const RequestRow& row : make_rows(context, id)) row.append_to(good);
    std::size_t read = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::vector<char> bytes(good.begin(), good.end());
        for (auto n = random() % 4; n > 0; --n) {
            bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        std::string again;
        std::string_view rest(bytes.data(), bytes.size());
        const std::string_view all = rest;
        while (const auto row = RequestRow::take(rest)) {
            row->append_to(again);
            ++read;
        }
        ASSERT_EQ(again, all.substr(0, all.size() - rest.size()));
        if (i % 1000 == 0) fuzz::keep_seed("peer", std::string(1, '\0') + std::string(all));
    }
    EXPECT_GT(read, 20'000u) << "many rows were left whole";
}

TEST(PeerFormat, ErrorsAreReadAsTheyWereWritten) {
    std::string bytes;
    append_error(bytes, {ErrorCode::not_found, "no such pool"});
    EXPECT_EQ(decode_error(bytes).code, ErrorCode::not_found);
    EXPECT_EQ(decode_error(bytes).message, "no such pool");
    EXPECT_EQ(decode_error("").code, ErrorCode::damaged);
    EXPECT_EQ(decode_error("\x06text").code, ErrorCode::damaged);
    EXPECT_EQ(decode_error("\xff").code, ErrorCode::damaged);
}

}  // namespace
}  // namespace ringmaster::shard
