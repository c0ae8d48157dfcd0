// Where there is no more memory, a request fails, and nothing else: what is in memory and what is
// in the journal stay the same. (Not under AddressSanitizer, which has operators of its own.)
#ifndef __SANITIZE_ADDRESS__

#include "ringmaster/store/embedded_store.hpp"

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace {

// Of the fiber that runs while this is set.
ringmaster::runtime::Scheduler* failing_scheduler = nullptr;
const ringmaster::runtime::Fiber* failing_fiber = nullptr;
int allocations_left = 0;

bool fails() noexcept {
    return failing_scheduler != nullptr && failing_scheduler->current() == failing_fiber &&
           allocations_left-- <= 0;
}

thread_local bool may_fail = false;

}  // namespace

// Replaced for this whole test program. Not inlined, because GCC would take the pair for mismatched
// where it sees only one of them.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    if (may_fail && fails()) throw std::bad_alloc();
    if (void* const block = std::malloc(bytes)) return block;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
    std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;

constexpr unsigned kNumbers = 30;

std::vector<ringpool::AllocationRequest> all(const std::vector<std::string>& sessions) {
    std::vector<ringpool::AllocationRequest> requests;
    for (const auto& session : sessions) requests.push_back({0, {session, {}}});
    return requests;
}

TEST(OutOfMemory, AtAnyAllocationMemoryAndJournalStayTheSame) {
    std::vector<std::string> before;
    std::vector<std::string> after;
    for (unsigned i = 0; i < kNumbers; ++i) {
        before.push_back("before " + std::to_string(i));
        after.push_back("after " + std::to_string(i));
    }
    bool failed = true;
    for (int allocation = 0; failed; ++allocation) {
        const TempDirectory directory;
        const std::vector<TestPool> pools = {{"autos", kNumbers}};
        std::vector<Allocation> answers(kNumbers);
        TestDisk disk;
        LeapingClock clock;
        const BootTime boot{1h, {1}};
        {
            // Somebody else has had every number, and nothing has been asked for in this life.
            TestStore store(directory.path(), pools, {}, &disk, &clock, boot);
            store.run([&] { store->allocate(all(before), answers, {}); });
        }
        clock.leap(1h);
        {
            TestStore store(directory.path(), pools, {}, &disk, &clock, {{2h, {1}}});
            failed = false;
            const auto requests = all(after);
            store.run([&] {
                failing_scheduler = &store.reactor().scheduler();
                failing_fiber = failing_scheduler->current();
                allocations_left = allocation;
                may_fail = true;
                try {
                    store->allocate(requests, answers, {});
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
                may_fail = false;
                failing_scheduler = nullptr;
                store->allocate(requests, answers, {});
            });
            disk.freeze();
        }
        disk.freeze_after(1 << 30);
        TestStore store(directory.path(), pools, {}, &disk, &clock, {{2h, {1}}});
        ASSERT_FALSE(store.error()) << allocation << ": " << store.error()->message;
        for (unsigned i = 0; i < kNumbers; ++i) {
            ASSERT_EQ(answers[i].outcome, Allocation::Outcome::allocated);
            ASSERT_EQ(store.allocate(0, after[i]).number, answers[i].number) << allocation;
        }
        ASSERT_LT(allocation, 1000);
    }
}

}  // namespace
}  // namespace ringmaster::store

#endif
