#include "ringmaster/ringpool/secret.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

TEST(Secret, MatchesNothingButItself) {
    const Secret secret("A329F4DC");
    EXPECT_TRUE(secret.matches("A329F4DC"));
    EXPECT_FALSE(secret.matches("A329F4D"));
    EXPECT_FALSE(secret.matches("A329F4DD"));
    EXPECT_FALSE(secret.matches("A329F4DC "));
    EXPECT_FALSE(secret.matches(std::string("A329F4DC\0", 9))) << "padding is no part of it";
    EXPECT_FALSE(secret.matches(""));
}

TEST(Secret, MayTakeAllBytes) {
    const std::string longest(Secret::kMaxBytes, 'k');
    EXPECT_TRUE(Secret(longest).matches(longest));
    EXPECT_FALSE(Secret(longest).matches(longest + "k"));
    EXPECT_FALSE(Secret(longest).matches(longest.substr(1)));
    EXPECT_FALSE(Secret(longest).matches(std::string(100'000, 'k')));
}

}  // namespace
}  // namespace ringmaster::ringpool
