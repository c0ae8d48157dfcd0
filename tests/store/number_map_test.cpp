#include "ringmaster/store/number_map.hpp"

#include <cstdint>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using ringpool::PhoneNumber;

TEST(NumberMap, FindsWhatWasPutInAndNothingElse) {
    NumberMap<std::uint64_t> map;
    EXPECT_EQ(map.find(PhoneNumber::from_digits(1)), nullptr);
    EXPECT_FALSE(map.erase(PhoneNumber::from_digits(1)));
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        map.at(PhoneNumber::from_digits(18'660'000'000 + 2 * i)) = i;
    }
    EXPECT_EQ(map.size(), 10'000u);
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        const auto* const value = map.find(PhoneNumber::from_digits(18'660'000'000 + 2 * i));
        ASSERT_NE(value, nullptr);
        EXPECT_EQ(*value, i);
        EXPECT_EQ(map.find(PhoneNumber::from_digits(18'660'000'001 + 2 * i)), nullptr);
    }
}

TEST(NumberMap, GivesTheSameValueForTheSameNumber) {
    NumberMap<int> map;
    map.at(PhoneNumber::from_digits(7)) = 5;
    EXPECT_EQ(map.at(PhoneNumber::from_digits(7)), 5);
    EXPECT_EQ(map.size(), 1u);
}

TEST(NumberMap, IsLikeAnOrdinaryMapUnderAnyOperations) {
    std::mt19937_64 random(11);
    NumberMap<std::uint64_t> map;
    std::map<std::uint64_t, std::uint64_t> model;
    for (std::uint64_t step = 0; step < 200'000; ++step) {
        const std::uint64_t digits = 1 + random() % 300;
        const PhoneNumber number = PhoneNumber::from_digits(digits);
        switch (random() % 64) {
            case 0:
                map.erase_if([&](PhoneNumber n, std::uint64_t value) {
                    EXPECT_EQ(model.at(n.digits()), value);
                    return value % 3 == 0;
                });
                std::erase_if(model, [](const auto& entry) { return entry.second % 3 == 0; });
                break;
            case 1: map.reserve(map.size() + random() % 100); break;
            default:
                if (random() % 2 == 0) {
                    map.at(number) = step;
                    model[digits] = step;
                } else {
                    ASSERT_EQ(map.erase(number), model.erase(digits) == 1);
                }
        }
        ASSERT_EQ(map.size(), model.size());
        const auto* const value = map.find(number);
        const auto expected = model.find(digits);
        ASSERT_EQ(value != nullptr, expected != model.end());
        if (value != nullptr) {
            ASSERT_EQ(*value, expected->second);
        }
    }
    for (const auto& [number, value] : map) EXPECT_EQ(model.at(number.digits()), value);
}

}  // namespace
}  // namespace ringmaster::store
