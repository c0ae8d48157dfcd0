// Of the whole program, for the tests that count.
#ifndef __SANITIZE_ADDRESS__

#include "shard/counted_heap.hpp"

#include <cstdlib>
#include <memory>
#include <new>

#include <gtest/gtest.h>

namespace {
std::size_t allocations = 0;
}

// Not inlined, or GCC 12 takes the pairs of new and free() that it then sees for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

std::size_t heap_allocations() noexcept {
    return allocations;
}

TEST(CountedHeap, Counts) {
    const std::size_t before = heap_allocations();
    const auto memory = std::make_unique<int>(1);
    EXPECT_EQ(heap_allocations(), before + 1);
}

#endif  // __SANITIZE_ADDRESS__
