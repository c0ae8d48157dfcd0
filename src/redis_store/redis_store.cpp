#include "ringmaster/redis_store/redis_store.hpp"

#include "ringmaster/redis/command.hpp"
#include "ringmaster/redis_store/allocation_format.hpp"

#include <cassert>
#include <utility>

namespace ringmaster::redis_store {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using ringpool::PoolIndex;

namespace {

/// How many Batches wait to be used again, and of what size each keeps its memory.
constexpr std::size_t kMaxIdle = 64;
constexpr std::size_t kKeepRows = 1024;
constexpr std::size_t kKeepBytes = 256u << 10;

/// Of the sessions in one call, roughly: Redis does nothing else while it works on them.
constexpr std::size_t kMaxCallBytes = 1u << 20;

constexpr std::uint32_t kNoGroup = 0xffffffff;

bool is_missing(const redis::Call& call) {
    return call.answer && call.answer.value().is_error() &&
           call.answer.value().text.starts_with("ERR Function not found");
}

}  // namespace

/// One batch, in parts: rows of one pool each. Used for one batch after the other.
class RedisStore::Batch {
  public:
    explicit Batch(RedisStore& store) : store_(store) {}

    void divide(std::span<const AllocationRequest> requests);
    std::span<redis::Call> make_calls(std::span<const AllocationRequest> requests);
    void take_answers(WallTime asked_at, std::span<Allocation> answers);

    bool is_small() const noexcept {
        return order_.capacity() <= kKeepRows && command_bytes_ <= kKeepBytes;
    }

  private:
    /// Rows order_[begin] to order_[end - 1].
    struct Part {
        PoolIndex pool;
        std::size_t begin;
        std::size_t end;
    };
    void split(std::span<const AllocationRequest> requests, Part group);
    void write(std::span<const AllocationRequest> requests, const Part& part,
               redis::Command& command);
    bool take(const Part& part, const redis::Call& call, WallTime asked_at,
              std::span<Allocation> answers);
    void refuse(const Part& part, OverflowReason reason, std::span<Allocation> answers);

    RedisStore& store_;
    std::vector<std::size_t> order_;  ///< rows of one pool side by side, in the order of the batch
    std::vector<Part> groups_;        ///< the rows of one pool, while dividing
    std::vector<Part> parts_;
    std::vector<redis::Command> commands_;  ///< at least as many
    std::vector<redis::Call> calls_;        ///< as many
    std::string word_;
    std::size_t command_bytes_ = 0;  ///< of the last batch
};

/// Lends a Batch.
class RedisStore::Lease {
  public:
    explicit Lease(RedisStore& store) : store_(store) {
        if (store.idle_.empty()) {
            batch_ = std::make_unique<Batch>(store);
        } else {
            batch_ = std::move(store.idle_.back());
            store.idle_.pop_back();
        }
    }
    ~Lease() {
        if (store_.idle_.size() == kMaxIdle || !batch_->is_small()) return;
        store_.idle_.push_back(std::move(batch_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Batch* operator->() noexcept { return batch_.get(); }

  private:
    RedisStore& store_;
    std::unique_ptr<Batch> batch_;
};

RedisStore::RedisStore(Parts parts, const ringpool::SessionHasher::Key& secret,
                       RedisStoreOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      history_ms_(std::to_string(options_.history.count())),
      hasher_(secret),
      library_(parts_.scheduler, parts_.client),
      warning_(parts_.scheduler, parts_.log) {
    assert(options_.max_rows_per_call >= 1 && options_.max_rows_per_call <= 1000);
    idle_.reserve(kMaxIdle);
}

RedisStore::~RedisStore() = default;

void RedisStore::learn_pools() {
    while (keys_.size() < parts_.catalog.end_index()) {
        const auto& id = parts_.catalog.at(static_cast<PoolIndex>(keys_.size())).id;
        keys_.push_back(std::make_unique<const PoolKeys>(options_.prefix, id));
        counters_.emplace_back();
        groups_.push_back(kNoGroup);
    }
}

void RedisStore::allocate(std::span<const AllocationRequest> requests,
                          std::span<Allocation> answers, Deadline deadline) {
    if (requests.empty()) return;
    learn_pools();
    Lease batch(*this);
    batch->divide(requests);
    const WallTime asked_at = parts_.scheduler.wall_now();
    call(batch->make_calls(requests), deadline);
    batch->take_answers(asked_at, answers);
}

// A counting sort: rows of one pool stay in the order in which they were asked.
void RedisStore::Batch::divide(std::span<const AllocationRequest> requests) {
    groups_.clear();
    for (const AllocationRequest& request : requests) {
        std::uint32_t& group = store_.groups_[request.pool];
        if (group == kNoGroup) {
            group = static_cast<std::uint32_t>(groups_.size());
            groups_.push_back({request.pool, 0, 0});
        }
        ++groups_[group].end;
    }
    std::size_t begin = 0;
    for (Part& group : groups_) {
        const std::size_t rows = group.end;
        group.begin = group.end = begin;
        begin += rows;
    }
    order_.resize(requests.size());
    for (std::size_t row = 0; row < requests.size(); ++row) {
        order_[groups_[store_.groups_[requests[row].pool]].end++] = row;
    }
    parts_.clear();
    for (const Part& group : groups_) {
        store_.groups_[group.pool] = kNoGroup;
        split(requests, group);
    }
}

void RedisStore::Batch::split(std::span<const AllocationRequest> requests, Part group) {
    Part part{group.pool, group.begin, group.begin};
    std::size_t bytes = 0;
    for (std::size_t i = group.begin; i < group.end; ++i) {
        const ringpool::Session& session = requests[order_[i]].session;
        const std::size_t more = session.id.value_or("").size() + session.context.bytes().size();
        const std::size_t rows = part.end - part.begin;
        const bool full = rows == store_.options_.max_rows_per_call || bytes + more > kMaxCallBytes;
        if (full && rows > 0) {
            parts_.push_back(part);
            part.begin = i;
            bytes = 0;
        }
        part.end = i + 1;
        bytes += more;
    }
    parts_.push_back(part);
}

std::span<redis::Call> RedisStore::Batch::make_calls(std::span<const AllocationRequest> requests) {
    if (commands_.size() < parts_.size()) commands_.resize(parts_.size());
    calls_.clear();
    command_bytes_ = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        write(requests, parts_[i], commands_[i]);
        command_bytes_ += commands_[i].bytes().size();
        redis::Call& call = calls_.emplace_back();
        call.key = store_.keys_[parts_[i].pool]->meta;
        call.command = commands_[i].bytes();
    }
    return calls_;
}

void RedisStore::Batch::write(std::span<const AllocationRequest> requests, const Part& part,
                              redis::Command& command) {
    const auto keys = store_.keys_[part.pool]->all();
    const std::string& id = store_.parts_.catalog.at(part.pool).id;
    command.start(4 + keys.size() + 2 * (part.end - part.begin));
    command.add("FCALL").add("rm1_allocate").add(keys.size());
    for (const std::string_view key : keys) command.add(key);
    command.add(store_.history_ms_);
    for (std::size_t i = part.begin; i < part.end; ++i) {
        word_.clear();
        append_session(word_, store_.hasher_.hash(id, requests[order_[i]].session));
        command.add(word_);
    }
    for (std::size_t i = part.begin; i < part.end; ++i) {
        word_.clear();
        const AllocationRequest& request = requests[order_[i]];
        append_holder(word_, request.session, request.keeps_context);
        command.add(word_);
    }
}

void RedisStore::Batch::take_answers(WallTime asked_at, std::span<Allocation> answers) {
    assert(order_.size() == answers.size());
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        if (!take(parts_[i], calls_[i], asked_at, answers)) {
            refuse(parts_[i], OverflowReason::store_unavailable, answers);
        }
    }
}

// False where there are no answers for these rows.
bool RedisStore::Batch::take(const Part& part, const redis::Call& call, WallTime asked_at,
                             std::span<Allocation> answers) {
    using Outcome = AllocatedRow::Outcome;
    if (!call.answer) return false;
    const redis::Reply& reply = call.answer.value();
    const auto look_again = [&] {
        if (store_.parts_.look_again) store_.parts_.look_again(part.pool);
    };
    if (reply.is_error("REMOVED")) {  // nothing can be had of it any more
        look_again();
        refuse(part, OverflowReason::exhausted, answers);
        return true;
    }
    if (reply.is_error("NOPOOL")) {
        look_again();
        return false;
    }
    if (reply.is_error()) {
        store_.warning_.tell("store: Redis hands out no numbers: " + reply.text);
        return false;
    }
    auto answer = AllocationAnswer::read(reply.text, part.end - part.begin);
    if (reply.type != redis::Reply::Type::string || !answer) {
        store_.warning_.tell("store: Redis has answered rm1_allocate with something else");
        return false;
    }
    if (store_.parts_.version && answer->version() != store_.parts_.version(part.pool)) {
        look_again();
    }

    ringpool::PoolCounters& counters = store_.counters_[part.pool];
    for (std::size_t i = part.begin; i < part.end; ++i) {
        Allocation& allocation = answers[order_[i]];
        const AllocatedRow row = answer->next();
        if (row.outcome == Outcome::exhausted) {
            ++counters.overflows[static_cast<std::size_t>(OverflowReason::exhausted)];
            allocation = ringpool::overflow_allocation(store_.parts_.catalog.at(part.pool),
                                                       OverflowReason::exhausted);
            continue;
        }
        const bool early = row.outcome == Outcome::early_reissue;
        ++counters.allocations;
        counters.new_holds += early || row.outcome == Outcome::new_hold ? 1 : 0;
        counters.early_reissues += early ? 1 : 0;
        allocation.outcome = Allocation::Outcome::allocated;
        allocation.number = row.number;
        allocation.formatted = row.formatted;
        // By our clock. Redis has read its own after we asked: nobody is told too long a time.
        allocation.expires_at = asked_at + (row.expires_at - answer->now());
        allocation.is_new = early || row.outcome == Outcome::new_hold;
    }
    return true;
}

void RedisStore::Batch::refuse(const Part& part, OverflowReason reason,
                               std::span<Allocation> answers) {
    store_.counters_[part.pool].overflows[static_cast<std::size_t>(reason)] +=
        part.end - part.begin;
    for (std::size_t i = part.begin; i < part.end; ++i) {
        answers[order_[i]] =
            ringpool::overflow_allocation(store_.parts_.catalog.at(part.pool), reason);
    }
}

void RedisStore::count_release(std::string_view pool_id) {
    learn_pools();
    if (const auto pool = parts_.catalog.find(pool_id)) ++counters_[*pool].releases;
}

Result<void> RedisStore::release(PoolIndex pool, ringpool::PhoneNumber number,
                                 const ringpool::Session& session, Deadline deadline) {
    learn_pools();
    const auto keys = keys_[pool]->all();
    redis::Command command;
    command.start(5 + keys.size());
    command.add("FCALL").add("rm1_release").add(keys.size());
    for (const std::string_view key : keys) command.add(key);
    command.add(number.digits());
    std::string bytes;
    append_session(bytes, hasher_.hash(parts_.catalog.at(pool).id, session));
    command.add(bytes);
    redis::Call one;
    one.key = keys_[pool]->meta;
    one.command = command.bytes();
    // Where the first time has done it, the second would say that the session holds nothing.
    one.repeatable = false;
    call({&one, 1}, deadline);

    if (!one.answer) return Error{ErrorCode::unavailable, one.answer.error().message};
    const redis::Reply& reply = *one.answer;
    if (reply.is_error()) return Error{ErrorCode::unavailable, "Redis says: " + reply.text};
    if (reply.type != redis::Reply::Type::integer || reply.integer < 0 || reply.integer > 1) {
        return Error{ErrorCode::unavailable, "Redis has answered rm1_release with something else"};
    }
    if (reply.integer == 0) {
        return Error{ErrorCode::not_found, "the session does not hold " + number.e164()};
    }
    ++counters_[pool].releases;
    return {};
}

// Calls that found no function are made again when it has been loaded.
void RedisStore::call(std::span<redis::Call> calls, Deadline deadline) {
    call_once(calls, deadline);
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (is_missing(calls[i])) missing.push_back(i);
    }
    if (missing.empty() || !library_.load(deadline)) return;
    std::vector<redis::Call> again;
    again.reserve(missing.size());
    for (const std::size_t i : missing) again.push_back(calls[i]);
    call_once(again, deadline);
    for (std::size_t i = 0; i < missing.size(); ++i) {
        calls[missing[i]].answer = std::move(again[i].answer);
    }
}

void RedisStore::call_once(std::span<redis::Call> calls, Deadline deadline) {
    if (options_.wait_replicas > 0) {
        parts_.client.call_durably(calls, options_.wait_replicas, deadline);
    } else {
        parts_.client.call(calls, deadline);
    }
}

ringpool::PoolCounters RedisStore::all_counters() const noexcept {
    ringpool::PoolCounters sum;
    for (const ringpool::PoolCounters& of_one : counters_) sum += of_one;
    return sum;
}

}  // namespace ringmaster::redis_store
