#pragma once

#include <cstddef>

/// How often this program has taken memory from the heap. Counted where AddressSanitizer, which has
/// operators of its own, is not there.
std::size_t heap_allocations() noexcept;
