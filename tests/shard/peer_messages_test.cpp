#include "ringmaster/shard/peer_messages.hpp"

#include <random>
#include <string>
#include <vector>

#include "fuzz/seed.hpp"
#include "shard/peer_values.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

template <class T>
std::string encode(const T& value) {
    std::string bytes;
    append_value(bytes, value);
    return bytes;
}

/// As the fuzz target has it: which value, and then its bytes.
std::string seed(char index, std::string_view bytes) {
    return std::string(1, index) + std::string(bytes);
}

TEST(PeerMessages, EveryValueIsReadAsItWasWritten) {
    char index = 0;
    for_each_peer_value([&]<class T>(const T& value) {
        const std::string bytes = encode(value);
        const auto read = decode_value<T>(bytes);
        ASSERT_TRUE(read) << typeid(T).name();
        EXPECT_EQ(encode(*read), bytes) << typeid(T).name();
        fuzz::keep_seed("peer", seed(++index, bytes));
    });
}

// Bytes that are the same before and after could still lack a member: here each is looked at.
TEST(PeerMessages, NoMemberIsLeftOut) {
    const auto same = [](const auto& value) {
        return *decode_value<std::remove_cvref_t<decltype(value)>>(encode(value));
    };
    std::size_t looked_at = 0;
    for_each_peer_value([&]<class T>(const T& value) {
        ++looked_at;
        if constexpr (std::is_same_v<T, PutPoolCall>) {
            EXPECT_EQ(same(value).definition, value.definition);
        } else if constexpr (std::is_same_v<T, HoldersFound>) {
            const auto read = same(value);
            EXPECT_TRUE(read.in_pool);
            ASSERT_EQ(read.holds.size(), 2u);
            EXPECT_EQ(read.holds[0].detail, ringpool::Hold::Detail::erased);
            EXPECT_EQ(read.holds[0].pool_id, "autos");
            EXPECT_EQ(read.holds[0].session_id, "v-81");
            EXPECT_EQ(read.holds[0].context.size(), 5u);
            EXPECT_EQ(read.holds[0].allocated_at, value.holds[0].allocated_at);
            EXPECT_EQ(read.holds[0].last_touch, value.holds[0].last_touch);
            EXPECT_EQ(read.holds[0].expires_at, value.holds[0].expires_at);
            EXPECT_EQ(read.holds[0].free_at, value.holds[0].free_at);
            EXPECT_EQ(read.holds[1].session_id, std::nullopt);
        } else if constexpr (std::is_same_v<T, std::vector<store::NumberKnowledge>>) {
            const auto read = same(value);
            ASSERT_EQ(read.size(), 2u);
            EXPECT_EQ(read[0].number, value[0].number);
            EXPECT_EQ(read[0].pool, "autos");
            EXPECT_TRUE(read[0].draining && read[0].has_left && read[0].slot.draining);
            EXPECT_EQ(read[0].slot.session, value[0].slot.session);
            EXPECT_EQ(read[0].slot.allocated_at, value[0].slot.allocated_at);
            EXPECT_EQ(read[0].slot.last_touch, value[0].slot.last_touch);
            EXPECT_EQ(read[0].slot.expires_at, value[0].slot.expires_at);
            EXPECT_EQ(read[0].slot.eligible_at, value[0].slot.eligible_at);
            EXPECT_EQ(read[0].slot.record, 7u);
            EXPECT_EQ(read[0].slot.context, 8u);
        } else if constexpr (std::is_same_v<T, ringpool::PoolFigures>) {
            const auto read = same(value);
            EXPECT_EQ(read.numbers, 1u);
            EXPECT_EQ(read.held, 2u);
            EXPECT_EQ(read.cooling, 3u);
            EXPECT_EQ(read.free, 4u);
            EXPECT_EQ(read.draining, 5u);
            EXPECT_EQ(read.counters.allocations, 6u);
            EXPECT_EQ(read.counters.new_holds, 7u);
            EXPECT_EQ(read.counters.releases, 8u);
            EXPECT_EQ(read.counters.overflows, (OverflowCounts{9, 10, 11, 12}));
            EXPECT_EQ(read.counters.early_reissues, 13u);
        } else if constexpr (std::is_same_v<T, ringpool::NumberPage>) {
            const auto read = same(value);
            ASSERT_EQ(read.numbers.size(), 2u);
            EXPECT_EQ(read.numbers[0].number, value.numbers[0].number);
            EXPECT_EQ(read.numbers[0].state, ringpool::NumberState::State::cooling);
            EXPECT_TRUE(read.numbers[0].draining);
            EXPECT_EQ(read.numbers[0].free_at, value.numbers[0].free_at);
            EXPECT_EQ(read.next, 9u);
        } else if constexpr (std::is_same_v<T, ringpool::NumbersChange>) {
            const auto read = same(value);
            EXPECT_EQ(read.added, value.added);
            EXPECT_EQ(read.removed, value.removed);
            EXPECT_EQ(read.draining, value.draining);
            ASSERT_EQ(read.refused.size(), 1u);
            EXPECT_EQ(read.refused[0].number, value.refused[0].number);
            EXPECT_EQ(read.refused[0].reason, "why");
        } else if constexpr (std::is_same_v<T, EditNumbersCall>) {
            const auto read = same(value);
            EXPECT_EQ(read.edit.add, value.edit.add);
            EXPECT_EQ(read.edit.remove, value.edit.remove);
        } else if constexpr (std::is_same_v<T, NumbersCall>) {
            EXPECT_EQ(same(value).from, 3u);
            EXPECT_EQ(same(value).max, 4u);
        } else if constexpr (std::is_same_v<T, ringpool::EventBatch>) {
            const auto read = same(value);
            ASSERT_EQ(read.events.size(), 2u);
            EXPECT_EQ(read.events[0].reason, ringpool::OverflowReason::owner_down);
            EXPECT_EQ(read.events[0].expires_at, value.events[0].expires_at);
            EXPECT_EQ(read.events[1].lost, ringpool::EventTypes{ringpool::EventType::touch});
            EXPECT_EQ(read.events[1].count, 6u);
        } else if constexpr (std::is_same_v<T, HoldersCall>) {
            EXPECT_EQ(same(value).at, value.at);
            EXPECT_EQ(same(value).max, value.max);
        }
    });
    EXPECT_GT(looked_at, 20u);
}

TEST(PeerMessages, WhatIsCutOffAnywhereIsNothing) {
    for_each_peer_value([&]<class T>(const T& value) {
        const std::string bytes = encode(value);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            // In memory of just this size, so that AddressSanitizer sees who reads beyond.
            const std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<long>(size));
            EXPECT_FALSE(decode_value<T>({part.data(), part.size()}))
                << typeid(T).name() << " " << size;
        }
        EXPECT_FALSE(decode_value<T>(bytes + '\0')) << typeid(T).name();
    });
}

// What is read of bytes that were changed at random is written as the same bytes: so nothing was
// passed over, and nothing taken for something else.
TEST(PeerMessages, RandomChangesDoNoHarm) {
    std::mt19937 random(1);
    std::size_t read = 0;
    for_each_peer_value([&]<class T>(const T& value) {
        const std::string good = encode(value);
        for (int i = 0; i < 1000 && !good.empty(); ++i) {
            std::vector<char> bytes(good.begin(), good.end());
            for (auto n = 1 + random() % 3; n > 0; --n) {
                bytes[random() % bytes.size()] = static_cast<char>(random());
            }
            const std::string_view all(bytes.data(), bytes.size());
            const auto changed = decode_value<T>(all);
            if (!changed) continue;
            ASSERT_EQ(encode(*changed), all) << typeid(T).name();
            ++read;
        }
    });
    EXPECT_GT(read, 1000u) << "some changes leave values";
}

TEST(PeerMessages, ALengthThatIsALieReservesNothing) {
    std::string bytes = encode(LookUpCall{});
    ASSERT_EQ(bytes.size(), 4u);
    bytes.assign("\xff\xff\xff\xff", 4);
    EXPECT_FALSE(decode_value<LookUpCall>(bytes));
    EXPECT_FALSE(decode_value<std::vector<store::NumberKnowledge>>(bytes));
    EXPECT_FALSE(decode_value<std::string>(bytes));
}

TEST(PeerMessages, AnAnswerIsAValueOrAnError) {
    std::string bytes;
    append_answer<bool>(bytes, true);
    const auto value = decode_answer<bool>({.answer = true}, bytes);
    ASSERT_TRUE(value && value->ok());
    EXPECT_TRUE(**value);

    bytes.clear();
    append_answer<bool>(bytes, Error{ErrorCode::invalid, "too many pools"});
    const auto error = decode_answer<bool>({.answer = true, .failed = true}, bytes);
    ASSERT_TRUE(error && !error->ok());
    EXPECT_EQ(error->error().code, ErrorCode::invalid);
    EXPECT_EQ(error->error().message, "too many pools");

    EXPECT_FALSE(decode_answer<bool>({.answer = true}, "\2"));
    EXPECT_FALSE(decode_answer<void>({.answer = true}, "x"));
    EXPECT_TRUE(decode_answer<void>({.answer = true}, ""));
}

}  // namespace
}  // namespace ringmaster::shard
