#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/parallel.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/placement.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ringmaster::shard {

/// Suspends. What `ask(shard)` returns for each of these shards, in their order: asked side by
/// side, or one after the other where there is no fiber left.
template <class Ask>
auto ask_all(runtime::Scheduler& scheduler, std::span<const ShardIndex> shards, Ask&& ask) {
    std::vector<std::invoke_result_t<Ask&, ShardIndex>> answers;
    if (shards.empty()) return answers;
    try {
        return runtime::parallel_map(scheduler, shards.size(), shards.size(),
                                     [&](std::size_t i) { return ask(shards[i]); });
    } catch (const runtime::NoFiber&) {
        // Not here: nobody should wait with an exception in hand.
    }
    for (const ShardIndex shard : shards) answers.push_back(ask(shard));
    return answers;
}

std::vector<ShardIndex> all_of(std::size_t count);
std::vector<ShardIndex> all_but(ShardIndex left_out, std::size_t count);

/// An error of a shard, for callers who do not know that there are any: it names the shard, and is
/// ErrorCode::unavailable where there was no answer; `consequence` is said of that too.
Error error_of(ShardIndex shard, const Error& error, std::string_view consequence = {});

}  // namespace ringmaster::shard
