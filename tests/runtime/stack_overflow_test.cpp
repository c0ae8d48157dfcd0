#include "ringmaster/runtime/stack_overflow.hpp"

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

#if !defined(__SANITIZE_ADDRESS__)  // it puts its own report in place of the signal

int recurse(int depth) {
    volatile char frame[512];
    frame[0] = static_cast<char>(depth);
    return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

TEST(StackOverflowReporterDeathTest, NamesTheFiberThatOverflowed) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(
        {
            ManualScheduler manual({.max_fibers = 2, .stack_bytes = 32 * 1024});
            const StackOverflowReporter reporter(manual.scheduler);
            manual.scheduler.run("GET /deep", [] { recurse(1'000'000); });
        },
        ::testing::KilledBySignal(SIGSEGV),
        "fiber 0 \\('GET /deep'\\) overflowed its stack of 32768 bytes");
}

TEST(StackOverflowReporterDeathTest, LeavesOtherFaultsAlone) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_EXIT(
        {
            ManualScheduler manual;
            const StackOverflowReporter reporter(manual.scheduler);
            manual.scheduler.run("GET /null", [] {
                volatile int* volatile nowhere = nullptr;
                *nowhere = 1;
            });
        },
        ::testing::KilledBySignal(SIGSEGV), "^$");
}

#endif

TEST(StackSlab, HandsOutDistinctGuardedStacksUpToItsBound) {
    StackSlab slab(20'000, 3);
    const auto first = slab.take();
    const auto second = slab.take();
    ASSERT_TRUE(first && second && slab.take());
    EXPECT_FALSE(slab.take());
    EXPECT_GE(first->size, 20'000u);
    EXPECT_EQ(first->size % 4096, 0u);
    EXPECT_EQ(slab.overflowed(first->bottom - 1), 0u);
    EXPECT_EQ(slab.overflowed(second->bottom - 1), 1u);
    EXPECT_EQ(slab.overflowed(first->bottom), std::nullopt);
    EXPECT_EQ(slab.overflowed(first->bottom + first->size - 1), std::nullopt);
    EXPECT_EQ(slab.overflowed(&slab), std::nullopt);
}

}  // namespace
}  // namespace ringmaster::runtime
