#include "ringmaster/ringpool/store.hpp"

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

TEST(OverflowReason, HasTheWordOfTheHttpInterface) {
    EXPECT_EQ(to_string(OverflowReason::exhausted), "exhausted");
    EXPECT_EQ(to_string(OverflowReason::owner_slow), "owner_slow");
    EXPECT_EQ(to_string(OverflowReason::owner_down), "owner_down");
    EXPECT_EQ(to_string(OverflowReason::store_unavailable), "store_unavailable");
}

TEST(OverflowAllocation, IsThePoolsOverflowNumberWithTheReason) {
    PoolDefinition pool;
    pool.overflow = {PhoneNumber::from_digits(18005550100), FormattedNumber("800-555-0100")};
    const Allocation answer = overflow_allocation(pool, OverflowReason::owner_slow);
    EXPECT_EQ(answer.outcome, Allocation::Outcome::overflow);
    EXPECT_EQ(answer.reason, OverflowReason::owner_slow);
    EXPECT_EQ(answer.number.e164(), "+18005550100");
    EXPECT_EQ(answer.formatted.view(), "800-555-0100");
}

TEST(OverflowAllocation, IsARefusalWhereThePoolAllowsNone) {
    PoolDefinition pool;
    pool.allow_overflow = false;
    pool.overflow = {PhoneNumber::from_digits(18005550100), FormattedNumber("800-555-0100")};
    const Allocation answer = overflow_allocation(pool, OverflowReason::exhausted);
    EXPECT_EQ(answer.outcome, Allocation::Outcome::refused);
    EXPECT_EQ(answer.reason, OverflowReason::exhausted);
    EXPECT_FALSE(answer.number);
}

}  // namespace
}  // namespace ringmaster::ringpool
