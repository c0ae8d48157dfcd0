#include "ringmaster/runtime/stack_slab.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace ringmaster::runtime {

StackSlab::StackSlab(std::size_t stack_bytes, std::size_t max_stacks)
    : guard_bytes_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), max_stacks_(max_stacks) {
    const std::size_t page = guard_bytes_;
    stack_bytes_ = (std::max<std::size_t>(stack_bytes, 16 * 1024) + page - 1) / page * page;
    // Everything is a guard until it is used as a stack.
    void* slab = mmap(nullptr, piece_bytes() * max_stacks_, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(),
                                "reserving address space for fiber stacks");
    }
    slab_ = static_cast<std::byte*>(slab);
}

StackSlab::~StackSlab() {
    munmap(slab_, piece_bytes() * max_stacks_);
}

std::optional<StackSlab::Stack> StackSlab::take() noexcept {
    if (taken_ == max_stacks_) return std::nullopt;
    std::byte* bottom = slab_ + taken_ * piece_bytes() + guard_bytes_;
    if (mprotect(bottom, stack_bytes_, PROT_READ | PROT_WRITE) != 0) return std::nullopt;
    return Stack{bottom, stack_bytes_, taken_++};
}

std::optional<std::size_t> StackSlab::overflowed(const void* address) const noexcept {
    const auto* at = static_cast<const std::byte*>(address);
    if (at < slab_ || at >= slab_ + piece_bytes() * max_stacks_) return std::nullopt;
    const auto offset = static_cast<std::size_t>(at - slab_);
    if (offset % piece_bytes() >= guard_bytes_) return std::nullopt;
    return offset / piece_bytes();
}

}  // namespace ringmaster::runtime
