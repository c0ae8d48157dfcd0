#include "ringmaster/shard/routed_history.hpp"

#include <tuple>
#include <utility>

#include "ask_all.hpp"

namespace ringmaster::shard {

using ringpool::Hold;

namespace {

bool knows_later(const std::vector<Hold>& a, const std::vector<Hold>& b) {
    if (a.empty() || b.empty()) return !a.empty();
    const auto when = [](const Hold& hold) {
        return std::tuple(hold.allocated_at, hold.last_touch);
    };
    return when(a.front()) > when(b.front());
}

}  // namespace

RoutedHistory::RoutedHistory(runtime::Scheduler& scheduler, std::vector<Shard*> shards,
                             std::chrono::milliseconds erase_timeout)
    : scheduler_(scheduler), shards_(std::move(shards)), erase_timeout_(erase_timeout) {}

Result<std::vector<Hold>> RoutedHistory::holders(ringpool::PhoneNumber number,
                                                 std::optional<WallTime> at, std::size_t max,
                                                 Deadline deadline) {
    std::optional<std::vector<Hold>> certain;
    std::vector<Hold> latest;
    std::optional<Error> failure;
    runtime::FanOut asking(scheduler_, "question for a holder");
    const auto ask = [&](std::size_t shard) {
        auto found = shards_[shard]->holders(number, at, max, deadline);
        if (!found) {
            if (!failure) failure = error_of(shard, found.error());
        } else if (found->in_pool) {
            certain = std::move(found->holds);
            asking.cancel("another shard has the number");
        } else if (knows_later(found->holds, latest)) {
            latest = std::move(found->holds);
        }
    };
    bool no_fiber = false;
    try {
        asking.run(shards_.size(), shards_.size(), ask);
    } catch (const runtime::FanOutCancelled&) {
        // By the answer.
    } catch (const runtime::NoFiber&) {
        no_fiber = true;
    }
    for (ShardIndex i = 0; no_fiber && !certain && i < shards_.size(); ++i) ask(i);
    if (certain) return *std::move(certain);
    if (failure) return *std::move(failure);
    return latest;
}

Result<std::size_t> RoutedHistory::erase(std::string_view session_id) {
    const Deadline deadline = Deadline::at(scheduler_.now() + erase_timeout_);
    const auto all = all_of(shards_.size());
    const auto answers = ask_all(scheduler_, all, [&](ShardIndex shard) {
        return shards_[shard]->erase(session_id, deadline);
    });
    std::size_t sum = 0;
    for (const ShardIndex shard : all) {
        if (!answers[shard]) return error_of(shard, answers[shard].error());
        sum += *answers[shard];
    }
    return sum;
}

}  // namespace ringmaster::shard
