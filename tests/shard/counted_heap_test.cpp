#ifndef __SANITIZE_ADDRESS__

#include "counted_heap.hpp"

#include <memory>

#include <gtest/gtest.h>

TEST(CountedHeap, Counts) {
    const std::size_t before = heap_allocations();
    const auto memory = std::make_unique<int>(1);
    EXPECT_EQ(heap_allocations(), before + 1);
}

#endif  // __SANITIZE_ADDRESS__
