#include "ringmaster/redis_store/redis_history.hpp"

#include "ringmaster/redis_store/number_record.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "hold_walk.hpp"
#include "little_endian.hpp"
#include "number_claims.hpp"

namespace ringmaster::redis_store {

using ringpool::Hold;

namespace {

constexpr const char* kEntriesAtOnce = "64";  ///< of one pool; a context may have 64 KiB
constexpr const char* kScannedAtOnce = "200";
constexpr std::size_t kPoolsAtOnce = 16;  ///< of which things are erased side by side

Error closed() {
    return {ErrorCode::closed, "the store is closed"};
}

Error damaged(const std::string& pool) {
    return {ErrorCode::damaged,
            "what Redis has of the history of pool '" + pool + "' has no sense"};
}

/// What one pool is asked, again and again.
struct Walk {
    std::string pool;
    HoldWalk holds;
    std::string from;  ///< "0": there is no more
    bool done() const noexcept { return from == "0" || holds.full(); }
};

FunctionCall question_of(const Walk& walk, const std::string& digits) {
    FunctionCall question{"holders", walk.pool, {digits, walk.from, kEntriesAtOnce}};
    question.reads_only = true;
    return question;
}

Result<void> take(Walk& walk, const redis::Reply& answer, std::chrono::milliseconds history) {
    const auto& words = answer.elements;
    if (words.size() < 3) return unexpected_answer("holders");
    const WallTime oldest = WallTime(std::chrono::milliseconds(words[0].integer)) - history;
    walk.from = words[1].text;
    if (!words[2].text.empty()) {
        const auto state = NumberRecord::decode(words[2].text);
        if (!state) return damaged(walk.pool);
        if (state->held_here && state->eligible_at >= oldest) walk.holds.take(*state);
    }
    for (std::size_t i = 3; i < words.size() && !walk.holds.full(); ++i) {
        const auto entry = PastRecord::decode(words[i].text);
        if (!entry) return damaged(walk.pool);
        if (entry->superseded_at < oldest) {
            walk.from = "0";
            break;
        }
        walk.holds.take(*entry);
    }
    return {};
}

}  // namespace

RedisHistory::RedisHistory(Parts parts)
    : parts_(std::move(parts)),
      gate_(parts_.reactor.scheduler()),
      erasing_(parts_.reactor.scheduler()) {}

Result<std::vector<Hold>> RedisHistory::holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at, std::size_t max,
                                                Deadline deadline) {
    const auto pass = gate_.enter();
    if (!pass) return closed();
    if (max == 0) return std::vector<Hold>();
    const std::string digits = std::to_string(number.digits());
    FunctionCall where{"pools_of", {}, {digits}};
    where.reads_only = true;
    parts_.functions.call({&where, 1}, deadline);
    if (!where.answer) return where.answer.error();
    const auto entry = ClaimEntry::parse(where.answer->text);
    if (!entry) return std::vector<Hold>();

    std::vector<Walk> walks;
    const auto ask = [&](const std::string& pool) {
        walks.push_back({pool, HoldWalk(pool, at.value_or(WallTime::max()), max), ""});
    };
    if (!entry->first.empty()) ask(entry->first);
    for (const std::string& pool : entry->others) ask(pool);

    while (true) {
        std::vector<Walk*> open;
        std::vector<FunctionCall> questions;
        for (Walk& walk : walks) {
            if (walk.done()) continue;
            open.push_back(&walk);
            questions.push_back(question_of(walk, digits));
        }
        if (open.empty()) break;
        if (deadline.expired(parts_.reactor.scheduler().now())) {
            return Error{ErrorCode::timeout, "the history was not read in time"};
        }
        parts_.functions.call(questions, deadline);
        for (std::size_t i = 0; i < open.size(); ++i) {
            if (!questions[i].answer) return questions[i].answer.error();
            if (auto taken = take(*open[i], *questions[i].answer, parts_.history); !taken) {
                return taken.error();
            }
        }
    }
    std::vector<Hold> holds;
    for (Walk& walk : walks) {
        for (Hold& hold : std::move(walk.holds).holds()) holds.push_back(std::move(hold));
    }
    std::ranges::stable_sort(holds, std::greater(), [](const Hold& hold) {
        return std::tuple(hold.allocated_at, hold.last_touch);
    });
    if (holds.size() > max) holds.resize(max);
    return holds;
}

namespace {

std::string bytes_of(const ringpool::SessionHash& hash) {
    std::string bytes;
    append_number(bytes, hash.low, 8);
    append_number(bytes, hash.high, 8);
    return bytes;
}

/// How far the erasing in one pool has got.
struct Erasing {
    std::string pool;
    std::string hash;
    std::string until = {};
    std::string where = "begin";
    std::string cursor = "0";
};

}  // namespace

Result<std::size_t> RedisHistory::erase(std::string_view session_id) {
    const auto pass = gate_.enter();
    if (!pass) return closed();
    const auto lock = erasing_.lock();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    FunctionCall catalog{"catalog", {}, {""}};
    catalog.reads_only = true;
    const auto pools = parts_.functions.call(std::move(catalog));
    if (!pools) return pools.error();
    const std::string word = session_word(session_id);
    std::size_t erased = 0;
    std::vector<Erasing> open;
    for (std::size_t next = 1; next < pools->elements.size() || !open.empty();) {
        for (; open.size() < kPoolsAtOnce && next < pools->elements.size(); next += 2) {
            const std::string& pool = pools->elements[next].text;
            open.push_back({pool, bytes_of(parts_.hasher.hash(pool, {session_id, {}}))});
        }
        if (gate_.closed()) return closed();
        std::vector<FunctionCall> calls;
        calls.reserve(open.size());
        for (const Erasing& each : open) {
            calls.push_back(
                {"erase",
                 each.pool,
                 {each.hash, word, each.until, each.where, each.cursor, kScannedAtOnce}});
        }
        parts_.functions.call(calls, parts_.functions.deadline());
        for (std::size_t i = 0; i < open.size(); ++i) {
            if (!calls[i].answer) return calls[i].answer.error();
            const auto& words = calls[i].answer->elements;
            if (words.size() != 5) return unexpected_answer("erase");
            open[i].until = words[0].text;
            open[i].where = words[1].text;
            open[i].cursor = words[2].text;
            erased += static_cast<std::size_t>(words[3].integer);
            if (words[4].integer != 0 && parts_.released) parts_.released(open[i].pool);
        }
        std::erase_if(open, [](const Erasing& each) { return each.where == "end"; });
    }
    return erased;
}

}  // namespace ringmaster::redis_store
