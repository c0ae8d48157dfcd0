#pragma once

#include <array>
#include <string>
#include <string_view>

namespace ringmaster::redis_store {

/// The keys of one pool, all in the hash slot of its id (hash tag, Redis Cluster specification),
/// so that one function call works on all of them. What is in them: functions/common.lua.
struct PoolKeys {
    PoolKeys(std::string_view prefix, std::string_view pool_id);
    std::string meta;      ///< hash: definition, rules, version, epoch, counters, clock
    std::string queue;     ///< sorted set: numbers that may be handed out, by when they may
    std::string sessions;  ///< hash: session hash to number
    std::string numbers;   ///< hash: number to its state, of all that ever had one here
    std::string members;   ///< sorted set: numbers of the pool, by when they were added
    std::string past;      ///< hash: id to a hold that is over; the history
    /// In the order in which all functions of pools take them.
    std::array<std::string_view, 6> all() const noexcept {
        return {meta, queue, sessions, numbers, members, past};
    }
};

/// The keys of what all pools share, in a slot that no pool's id can name.
struct RegistryKeys {
    explicit RegistryKeys(std::string_view prefix);
    std::string info;      ///< hash: format, secret of the session hashes, version of the catalog
    std::string pools;     ///< hash: id of each pool to its version
    std::string numbers;   ///< hash: number to the pools that have, or had, it
    std::string overflow;  ///< hash: overflow numbers of pools
    std::string channel;   ///< of messages, not a key: ids of pools that have changed
    std::array<std::string_view, 4> all() const noexcept {
        return {info, pools, numbers, overflow};
    }
};

}  // namespace ringmaster::redis_store
