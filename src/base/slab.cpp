#include "ringmaster/base/slab.hpp"

#include "ringmaster/base/address_sanitizer.hpp"

#include <cassert>
#include <cstdint>
#include <sys/mman.h>

#ifdef RINGMASTER_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace ringmaster {
namespace {

constexpr std::size_t kPagesPerBlock = 64;
constexpr std::size_t kBlockBytes = kPagesPerBlock * Slab::kPageBytes;

// So that who uses an object that is gone is found out as if it had been the heap's.
void forbid([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef RINGMASTER_ASAN
    ASAN_POISON_MEMORY_REGION(memory, bytes);
#endif
}
void allow([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef RINGMASTER_ASAN
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
#endif
}

}  // namespace

/// What lies in the place of an object that was given back.
struct Slab::Free {
    Free* next;
};

struct Slab::Page : ListHook<> {
    std::byte* begin = nullptr;
    Free* free = nullptr;     ///< places that were given back
    std::uint16_t fresh = 0;  ///< places that were taken at least once: the first ones
    std::uint16_t used = 0;
};

/// Aligned to its size, so that an object's address tells its block. The first page is this, and
/// says how the others stand: what is said on a page itself would go with it.
struct Slab::Block {
    Block* next;
    Page pages[kPagesPerBlock];  ///< the first one is never used
};

Slab::Slab(std::size_t object_bytes, std::size_t alignment) noexcept
    : object_bytes_((object_bytes + alignment - 1) / alignment * alignment) {
    static_assert(sizeof(Block) <= kPageBytes);
    assert(alignment % alignof(Free) == 0 && kPageBytes % alignment == 0);
    assert(object_bytes_ >= sizeof(Free) && object_bytes_ <= kPageBytes);
}

Slab::~Slab() {
    assert(pages_ == spare_pages_);
    while (Block* const block = blocks_) {
        blocks_ = block->next;
        block->~Block();
        allow(block, kBlockBytes);
        munmap(block, kBlockBytes);
    }
}

void* Slab::take() {
    Page& page = usable_page();
    void* memory = page.free;
    if (memory != nullptr) {
        allow(memory, object_bytes_);
        page.free = page.free->next;
    } else {
        memory = page.begin + page.fresh++ * object_bytes_;
        allow(memory, object_bytes_);
    }
    if (++page.used == objects_per_page()) page.unlink();
    return memory;
}

Slab::Page& Slab::usable_page() {
    if (Page* const page = with_room_.front()) return *page;
    Page* page = spare_.pop_front();
    if (page != nullptr) {
        --spare_pages_;
    } else {
        if (bare_.empty()) add_block();
        page = bare_.pop_front();
        ++pages_;
    }
    with_room_.push_back(*page);
    return *page;
}

void Slab::add_block() {
    // Twice as much, of which an aligned half is kept.
    void* const mapped =
        mmap(nullptr, 2 * kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* const all = static_cast<std::byte*>(mapped);
    const std::size_t off = reinterpret_cast<std::uintptr_t>(all) % kBlockBytes;
    const std::size_t before = off == 0 ? 0 : kBlockBytes - off;
    std::byte* const begin = all + before;
    if (before > 0) munmap(all, before);
    munmap(begin + kBlockBytes, kBlockBytes - before);

    blocks_ = new (begin) Block{.next = blocks_, .pages = {}};
    for (std::size_t i = 1; i < kPagesPerBlock; ++i) {
        blocks_->pages[i].begin = begin + i * kPageBytes;
        bare_.push_back(blocks_->pages[i]);
    }
    forbid(begin + kPageBytes, kBlockBytes - kPageBytes);
}

void Slab::give_back(void* object) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    const std::size_t offset = address % kBlockBytes;
    auto* const block = reinterpret_cast<Block*>(static_cast<std::byte*>(object) - offset);
    Page& page = block->pages[offset / kPageBytes];
    page.free = new (object) Free{page.free};
    forbid(object, object_bytes_);
    if (page.used-- == objects_per_page()) with_room_.push_front(page);
    if (page.used > 0) return;
    page.unlink();
    if (spare_pages_ < kSparePages) {
        ++spare_pages_;
        return spare_.push_front(page);
    }
    // Where the system's pages are larger ones it refuses, and the memory is kept.
    madvise(page.begin, kPageBytes, MADV_DONTNEED);
    page.free = nullptr;
    page.fresh = 0;
    --pages_;
    bare_.push_front(page);
}

}  // namespace ringmaster
