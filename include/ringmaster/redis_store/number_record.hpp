#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/session_hash.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::redis_store {

/// What is told of a session: "Holder" in functions/common.lua.
struct HolderRecord {
    bool erased = false;                    ///< then the rest is empty
    std::optional<std::string> session_id;  ///< nothing: the context is the session
    std::string context;
};

/// What is known of a number in a pool: "State of a number" in functions/common.lua.
struct NumberRecord {
    bool draining = false;
    bool held_here = false;  ///< whether anybody of this pool ever had it; else no holder
    WallTime allocated_at{};
    WallTime last_touch{};
    WallTime expires_at{};
    WallTime eligible_at{};
    ringpool::SessionHash session;  ///< of whoever had it last, maybe in another pool
    ringpool::FormattedNumber formatted;
    HolderRecord holder;

    /// Nothing where it is no such record. What is told without holder has none.
    static std::optional<NumberRecord> decode(std::string_view bytes);
};

/// A hold that is over, or went on with another context: "Entry of past" there.
struct PastRecord {
    WallTime superseded_at{};
    WallTime allocated_at{};
    WallTime last_touch{};
    WallTime expires_at{};
    WallTime eligible_at{};
    bool went_on = false;  ///< with another context, from superseded_at on
    HolderRecord holder;

    static std::optional<PastRecord> decode(std::string_view bytes);
};

/// As the functions take it: "" for none, or the id behind a byte 1.
std::string session_word(std::optional<std::string_view> id);

}  // namespace ringmaster::redis_store
