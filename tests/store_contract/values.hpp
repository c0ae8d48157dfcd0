#pragma once

#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <chrono>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace ringmaster::store_contract {

/// Numbers of pool `pool`: +1866PNNNNNN.
inline ringpool::PoolNumber test_number(unsigned pool, unsigned index) {
    const auto number =
        ringpool::PhoneNumber::from_digits(18'660'000'000ull + pool * 1'000'000ull + index);
    return {number, ringpool::FormattedNumber(number.e164())};
}

inline ringpool::PoolNumber test_overflow() {
    return {ringpool::PhoneNumber::from_digits(18005550100),
            ringpool::FormattedNumber("800-555-0100")};
}

struct Rules {
    std::chrono::seconds lifetime = std::chrono::minutes(30);
    std::chrono::seconds cooldown = std::chrono::minutes(5);
    std::chrono::seconds max_hold{0};
};

inline ringpool::PoolDefinition test_definition(std::string id, const Rules& rules = {}) {
    ringpool::PoolDefinition pool;
    pool.id = std::move(id);
    pool.key = std::string("secret");
    pool.lifetime = rules.lifetime;
    pool.cooldown = rules.cooldown;
    pool.max_hold = rules.max_hold;
    pool.overflow = test_overflow();
    return pool;
}

/// The canonical form of one parameter.
inline std::string one_parameter(std::string_view name, std::string_view value) {
    ringpool::ContextBuilder builder(ringpool::ContextLimits{});
    builder.start();
    EXPECT_TRUE(builder.add(name, value).ok());
    std::string bytes;
    builder.finish(bytes);
    return bytes;
}

}  // namespace ringmaster::store_contract
