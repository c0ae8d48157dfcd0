#include "ringmaster/migrate/redis_target.hpp"

#include "ringmaster/redis_store/allocation_format.hpp"
#include "ringmaster/redis_store/definition_format.hpp"
#include "ringmaster/redis_store/open_store.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <charconv>
#include <limits>
#include <map>
#include <utility>

namespace ringmaster::migrate {

using redis_store::FunctionCall;
using redis_store::unexpected_answer;
using ringpool::Hold;

namespace {

// Of a state and of an entry of `past`, functions/common.lua.
constexpr unsigned kMember = 1;
constexpr unsigned kDraining = 2;
constexpr unsigned kErased = 8;
constexpr unsigned kPastErased = 128;

constexpr std::size_t kCallsAtOnce = 100;

std::string text_of(WallTime time) {
    return std::to_string(time.time_since_epoch().count());
}

std::string text_of(std::chrono::seconds time) {
    return std::to_string(std::chrono::milliseconds(time).count());
}

std::string holder_of(const Hold& hold) {
    std::string holder;
    if (hold.detail != Hold::Detail::known) return holder;
    redis_store::append_holder(holder, {hold.session_id, ringpool::Context(hold.context)}, false);
    return holder;
}

bool is_erased(const Hold& hold) noexcept {
    return hold.detail != Hold::Detail::known;
}

Error other_import() {
    return {ErrorCode::invalid,
            "another import into this Redis has been begun and not finished; remove the keys with "
            "the prefix, or go on with that one"};
}

// What one pool is to know of a number: `holds` are its own, newest first.
FunctionCall import_call(const std::string& pool_id, const NumberImage& image, bool member,
                         const std::vector<const Hold*>& holds) {
    // Where somebody of another pool has it last, this pool knows the times, and not who it is.
    const bool current = !holds.empty() && (!member || holds[0] == image.holds.data());
    unsigned flags = member ? kMember | (image.draining ? kDraining : 0) : 0;
    if (current && is_erased(*holds[0])) flags |= kErased;
    ringpool::Slot slot = image.slot;
    if (!member) {
        slot.allocated_at = holds[0]->allocated_at;
        slot.last_touch = holds[0]->last_touch;
        slot.expires_at = holds[0]->expires_at;
        slot.eligible_at = holds[0]->free_at;
    } else if (!current) {
        slot.allocated_at = {};
    }
    std::string session;
    redis_store::append_session(session, slot.session);
    FunctionCall call{.function = "import", .pool = pool_id, .arguments = {}};
    call.arguments = {std::to_string(image.number.number.digits()),
                      std::to_string(flags),
                      text_of(slot.allocated_at),
                      text_of(slot.last_touch),
                      text_of(slot.expires_at),
                      text_of(slot.eligible_at),
                      session,
                      std::string(member ? image.number.formatted.view() : std::string_view()),
                      current ? holder_of(*holds[0]) : ""};
    for (std::size_t i = holds.size(); i-- > (current ? 1 : 0);) {
        const Hold& hold = *holds[i];
        const WallTime superseded_at = i > 0 ? holds[i - 1]->allocated_at : slot.allocated_at;
        for (std::string word :
             {text_of(superseded_at == WallTime() ? hold.free_at : superseded_at),
              text_of(hold.allocated_at), text_of(hold.last_touch), text_of(hold.expires_at),
              text_of(hold.free_at), std::to_string(is_erased(hold) ? kPastErased : 0),
              holder_of(hold)}) {
            call.arguments.push_back(std::move(word));
        }
    }
    return call;
}

}  // namespace

Result<std::chrono::milliseconds> RedisTarget::begin(const ringpool::SessionHasher::Key& secret,
                                                     std::string_view fingerprint,
                                                     std::chrono::milliseconds ahead) {
    const auto counts = redis_store::open_store(functions_, functions_.deadline(), secret);
    if (!counts) return counts.error();
    if (*counts != secret) {
        return Error{ErrorCode::invalid,
                     "this Redis has sessions of other daemons, hashed with another secret; "
                     "expected one without keys that have the prefix"};
    }
    const auto server = server_ahead();
    if (!server) return server.error();
    const auto answer = functions_.call(
        {.function = "begin_import",
         .pool = {},
         .arguments = {std::string(fingerprint), std::to_string((ahead + *server).count())}});
    if (!answer) return answer.error();
    if (answer->elements.size() != 2) {
        return Error{ErrorCode::invalid, "this Redis has pools; expected one without"};
    }
    if (answer->elements[0].text != fingerprint) return other_import();
    const std::string& told = answer->elements[1].text;
    std::int64_t ms = 0;
    if (std::from_chars(told.data(), told.data() + told.size(), ms).ec != std::errc()) {
        return unexpected_answer("begin_import");
    }
    return std::chrono::milliseconds(ms);
}

/// How far the server's clock is ahead of this machine's.
Result<std::chrono::milliseconds> RedisTarget::server_ahead() {
    const auto time =
        redis::call(functions_.client(), "", redis::Command({"TIME"}), functions_.deadline());
    if (!time) return time.error();
    if (time->elements.size() != 2) return unexpected_answer("TIME");
    const auto seconds = std::strtoll(time->elements[0].text.c_str(), nullptr, 10);
    const auto micros = std::strtoll(time->elements[1].text.c_str(), nullptr, 10);
    return WallTime(std::chrono::milliseconds(seconds * 1000 + micros / 1000)) -
           scheduler_.wall_now();
}

Result<Target::Resumed> RedisTarget::begin_pool(const ringpool::PoolDefinition& pool) {
    const auto overflow = pool.overflow.number;
    const auto claimed = functions_.call(
        {.function = "claim_overflow",
         .pool = {},
         .arguments = {pool.id, overflow ? std::to_string(overflow.digits()) : "",
                       std::to_string(std::numeric_limits<std::uint32_t>::max()), "0"}});
    if (!claimed) return claimed.error();
    if (claimed->elements.size() != 2 || claimed->elements[0].integer == 0) {
        return Error{ErrorCode::invalid,
                     "the overflow number of pool '" + pool.id + "' is one that another pool has"};
    }
    const std::string version = std::to_string(claimed->elements[0].integer);
    const auto put =
        functions_.call({.function = "put_pool",
                         .pool = pool.id,
                         .arguments = {redis_store::encode_definition(pool), text_of(pool.lifetime),
                                       text_of(pool.cooldown), text_of(pool.max_hold), version}});
    if (!put) return put.error();
    if (put->is_error()) return Error{ErrorCode::unavailable, put->text};
    pools_.push_back({pool.id, version});
    FunctionCall status{.function = "import_status", .pool = pool.id, .arguments = {}};
    status.reads_only = true;
    const auto done = functions_.call(std::move(status));
    if (!done) return done.error();
    return Resumed{.complete = done->text == "1", .from = 0};
}

Result<void> RedisTarget::add(const ringpool::PoolDefinition& pool,
                              std::span<const NumberImage> numbers, std::uint64_t next) {
    if (auto claimed = claim(pool.id, numbers); !claimed) return claimed;
    std::vector<FunctionCall> calls;
    std::map<std::string, std::vector<std::string>> had_by;
    for (const NumberImage& image : numbers) {
        std::map<std::string, std::vector<const Hold*>> by_pool;
        by_pool[pool.id];
        for (const Hold& hold : image.holds) {
            by_pool[hold.pool_id.empty() ? pool.id : hold.pool_id].push_back(&hold);
        }
        for (const auto& [id, holds] : by_pool) {
            calls.push_back(import_call(id, image, id == pool.id, holds));
            if (id != pool.id) had_by[id].push_back(calls.back().arguments[0]);
        }
        if (calls.size() < kCallsAtOnce) continue;
        if (auto made = call_all(calls); !made) return made;
    }
    for (auto& [id, words] : had_by) {
        words.insert(words.begin(), id);
        calls.push_back({.function = "had_by", .pool = {}, .arguments = std::move(words)});
    }
    if (auto made = call_all(calls); !made) return made;
    if (next != 0) return {};
    const auto done = functions_.call({.function = "imported", .pool = pool.id, .arguments = {}});
    return done ? Result<void>() : done.error();
}

Result<void> RedisTarget::claim(const std::string& pool_id, std::span<const NumberImage> numbers) {
    if (numbers.empty()) return {};
    FunctionCall claim{.function = "claim", .pool = {}, .arguments = {pool_id}};
    for (const NumberImage& image : numbers) {
        claim.arguments.push_back(std::to_string(image.number.number.digits()));
    }
    const auto claimed = functions_.call(std::move(claim));
    if (!claimed) return claimed.error();
    if (claimed->elements.empty()) return unexpected_answer("claim");
    if (claimed->elements[0].integer == 1) return {};
    return Error{ErrorCode::invalid,
                 "numbers of pool '" + pool_id + "' are another pool's in this Redis"};
}

Result<void> RedisTarget::call_all(std::vector<FunctionCall>& calls) {
    functions_.call(calls, functions_.deadline());
    for (const FunctionCall& call : calls) {
        if (!call.answer) return call.answer.error();
        if (call.answer->is_error()) return Error{ErrorCode::unavailable, call.answer->text};
    }
    calls.clear();
    return {};
}

Result<void> RedisTarget::finish() {
    for (const Begun& pool : pools_) {
        const auto published =
            functions_.call({.function = "publish",
                             .pool = {},
                             .arguments = {pool.id, pool.version, "1", functions_.channel()}});
        if (!published) return published.error();
    }
    const auto ended = functions_.call({.function = "end_import", .pool = {}, .arguments = {}});
    return ended ? Result<void>() : ended.error();
}

}  // namespace ringmaster::migrate
