#include "ringmaster/base/slab.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <stdexcept>
#include <sys/mman.h>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

constexpr std::size_t kMany = 50'000;

class SlabTest : public testing::Test {
  protected:
    std::vector<void*> take(std::size_t count) {
        std::vector<void*> objects;
        for (std::size_t i = 0; i < count; ++i) objects.push_back(slab_.take());
        return objects;
    }
    void give_back(const std::vector<void*>& objects) {
        for (void* object : objects) slab_.give_back(object);
    }
    /// Of the pages on which these were, how many have memory in fact.
    static std::size_t resident(const std::vector<void*>& objects) {
        std::set<std::byte*> pages;
        for (void* object : objects) {
            const auto offset = reinterpret_cast<std::uintptr_t>(object) % Slab::kPageBytes;
            pages.insert(static_cast<std::byte*>(object) - offset);
        }
        return static_cast<std::size_t>(std::ranges::count_if(pages, [](std::byte* page) {
            unsigned char there = 0;
            EXPECT_EQ(mincore(page, Slab::kPageBytes, &there), 0);
            return (there & 1) != 0;
        }));
    }

    Slab slab_{300, 16};
};

TEST_F(SlabTest, GivesEachObjectPlaceOfItsOwn) {
    EXPECT_EQ(slab_.object_bytes(), 304u);
    auto objects = take(kMany);
    for (std::size_t i = 0; i < kMany; ++i) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(objects[i]) % 16, 0u);
        std::memset(objects[i], static_cast<int>(i % 251), 304);
    }
    std::mt19937 chance(7);
    for (int round = 0; round < 5; ++round) {
        std::ranges::shuffle(objects, chance);
        give_back({objects.begin() + kMany / 3, objects.end()});
        objects.resize(kMany / 3);
        const auto more = take(kMany - kMany / 3);
        objects.insert(objects.end(), more.begin(), more.end());
    }
    std::ranges::sort(objects);
    for (std::size_t i = 1; i < kMany; ++i) {
        ASSERT_GE(static_cast<char*>(objects[i]) - static_cast<char*>(objects[i - 1]), 304);
    }
    give_back(objects);
}

TEST_F(SlabTest, GivesPagesBackWhenAllOnThemHaveLeft) {
    const auto objects = take(kMany);
    for (void* object : objects) std::memset(object, 1, slab_.object_bytes());
    const std::size_t full = (kMany + slab_.objects_per_page() - 1) / slab_.objects_per_page();
    EXPECT_EQ(slab_.pages(), full);
    EXPECT_EQ(resident(objects), full);
    give_back(objects);
    EXPECT_EQ(slab_.pages(), Slab::kSparePages);
    EXPECT_EQ(resident(objects), Slab::kSparePages);
    // And they can be had again.
    give_back(take(kMany));
    EXPECT_EQ(slab_.pages(), Slab::kSparePages);
}

TEST_F(SlabTest, GivesThemBackWhereSomeStay) {
    auto objects = take(kMany);
    for (void* object : objects) std::memset(object, 1, slab_.object_bytes());
    std::mt19937 chance(7);
    std::ranges::shuffle(objects, chance);
    const std::vector<void*> stay(objects.begin(), objects.begin() + kMany / 50);
    give_back({objects.begin() + kMany / 50, objects.end()});
    const std::size_t of_stay = resident(stay);
    EXPECT_LT(of_stay, kMany / slab_.objects_per_page() / 3);
    EXPECT_EQ(slab_.pages(), of_stay + Slab::kSparePages);
    EXPECT_EQ(resident(objects), slab_.pages());
    give_back(stay);
}

TEST_F(SlabTest, FillsPagesThatHaveRoomFirst) {
    auto objects = take(kMany);
    const std::size_t pages = slab_.pages();
    for (std::size_t i = 0; i < kMany; i += 2) slab_.give_back(objects[i]);
    EXPECT_EQ(slab_.pages(), pages);
    for (std::size_t i = 0; i < kMany; i += 2) objects[i] = slab_.take();
    EXPECT_EQ(slab_.pages(), pages);
    give_back(objects);
}

struct Fragile {
    Fragile(int& count, bool fails) : alive(count) {
        if (fails) throw std::runtime_error("no");
        ++alive;
    }
    ~Fragile() { --alive; }
    int& alive;
    std::array<char, 100> more{};
};

TEST(ObjectSlabTest, MakesAndDestroysObjects) {
    ObjectSlab<Fragile> slab;
    int alive = 0;
    {
        const auto one = slab.make(alive, false);
        Fragile* const other = slab.make(alive, false).release();
        EXPECT_THROW((void)slab.make(alive, true), std::runtime_error);
        EXPECT_EQ(alive, 2);
        slab.destroy(*other);
        EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace ringmaster
