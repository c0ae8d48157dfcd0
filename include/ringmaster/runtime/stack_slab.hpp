#pragma once

#include <cstddef>
#include <optional>

namespace ringmaster::runtime {

/// Stacks for fibers: one reserved mapping cut into equal pieces, below each of which lies a guard
/// page that faults when the stack overflows. A piece gets memory when it is first taken (mapping a
/// fresh stack costs some 8 us) and is never given back: the Scheduler reuses the fiber that lives
/// on it (0.1 us).
class StackSlab {
  public:
    struct Stack {
        std::byte* bottom;  ///< lowest usable address; the guard lies directly below
        std::size_t size;
        std::size_t index;
    };

    /// Reserves address space, not memory. `stack_bytes` is rounded up to whole pages and is at
    /// least 16 KiB. Throws std::system_error where the address space is not to be had.
    StackSlab(std::size_t stack_bytes, std::size_t max_stacks);
    ~StackSlab();
    StackSlab(const StackSlab&) = delete;
    StackSlab& operator=(const StackSlab&) = delete;

    /// The next fresh stack, with indices from 0 up. Nothing where all `max_stacks` are taken, or
    /// where the kernel refuses the memory: to a caller that can only shed load, that is the same.
    std::optional<Stack> take() noexcept;

    /// The index of the stack into whose guard `address` falls. Async-signal-safe.
    std::optional<std::size_t> overflowed(const void* address) const noexcept;

  private:
    std::size_t piece_bytes() const noexcept { return guard_bytes_ + stack_bytes_; }

    std::size_t guard_bytes_;
    std::size_t stack_bytes_;
    std::size_t max_stacks_;
    std::size_t taken_ = 0;
    std::byte* slab_ = nullptr;
};

}  // namespace ringmaster::runtime
