#pragma once

#include "ringmaster/base/intrusive_list.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace ringmaster {

/// Memory for objects of one size that come in masses and leave in masses: whose number is that of
/// clients. A page on which none is left goes back to the system, which the heap can't do where
/// anything that stays lies among them. (After 18,000 streams had left, 13 MiB of the heap were
/// free, and malloc_trim() found 2 of them on pages of their own.)
///
/// Taking and giving back is O(1). It costs a system call for each page that goes, and none while
/// there are no more than kSparePages empty ones. Belongs to one thread.
class Slab {
  public:
    static constexpr std::size_t kPageBytes = 4096;
    static constexpr std::size_t kSparePages = 64;

    /// `object_bytes` is rounded up to a multiple of `alignment`, and is a page at most. That of a
    /// pointer is the least `alignment`.
    Slab(std::size_t object_bytes, std::size_t alignment) noexcept;
    /// All must have been given back.
    ~Slab();
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    /// Memory for one object. Throws std::bad_alloc.
    void* take();
    void give_back(void* object) noexcept;

    std::size_t object_bytes() const noexcept { return object_bytes_; }
    std::size_t objects_per_page() const noexcept { return kPageBytes / object_bytes_; }
    /// That have memory: those with objects, and those that are spare.
    std::size_t pages() const noexcept { return pages_; }

  private:
    struct Free;
    struct Page;
    struct Block;

    Page& usable_page();
    void add_block();

    const std::size_t object_bytes_;
    std::size_t pages_ = 0;
    std::size_t spare_pages_ = 0;
    IntrusiveList<Page> with_room_;  ///< and with objects
    IntrusiveList<Page> spare_;      ///< without objects
    IntrusiveList<Page> bare_;       ///< without memory
    Block* blocks_ = nullptr;        ///< all, each with the next
};

/// Objects in a Slab. Belongs to one thread.
template <class T>
class ObjectSlab {
  public:
    ObjectSlab() noexcept : slab_(sizeof(T), std::max(alignof(T), alignof(void*))) {}

    struct Destroy {
        ObjectSlab* slab;
        void operator()(T* object) const noexcept { slab->destroy(*object); }
    };
    using Owned = std::unique_ptr<T, Destroy>;

    /// Who release()s it must destroy() it. It must not outlive this.
    template <class... Arguments>
    Owned make(Arguments&&... arguments) {
        static_assert(sizeof(T) <= Slab::kPageBytes);
        void* const memory = slab_.take();
        try {
            return {new (memory) T(std::forward<Arguments>(arguments)...), Destroy{this}};
        } catch (...) {
            slab_.give_back(memory);
            throw;
        }
    }
    void destroy(T& object) noexcept {
        object.~T();
        slab_.give_back(&object);
    }

  private:
    Slab slab_;
};

}  // namespace ringmaster
