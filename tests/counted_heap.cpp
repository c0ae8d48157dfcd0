// Linked into those programs of tests that count.
#ifndef __SANITIZE_ADDRESS__

#include "counted_heap.hpp"

#include <cstdlib>
#include <new>

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

#endif  // __SANITIZE_ADDRESS__
