#pragma once

#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shard.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::shard {

inline ringpool::PoolDefinition test_pool(std::string id, bool allow_overflow = true) {
    ringpool::PoolDefinition pool;
    pool.id = std::move(id);
    pool.key = std::string("secret");
    pool.allow_overflow = allow_overflow;
    pool.overflow = {ringpool::PhoneNumber::from_digits(18005550100),
                     ringpool::FormattedNumber("800-555-0100")};
    return pool;
}

/// The id of a pool of this shard; another one for each `i`.
inline std::string pool_of(const Placement& placement, ShardIndex owner, unsigned i = 0) {
    for (unsigned n = 0;; ++n) {
        std::string id = "pool-" + std::to_string(n);
        if (placement.owner(id) == owner && i-- == 0) return id;
    }
}

inline ringpool::Allocation allocated(std::uint64_t digits) {
    ringpool::Allocation answer;
    answer.outcome = ringpool::Allocation::Outcome::allocated;
    answer.number = ringpool::PhoneNumber::from_digits(digits);
    return answer;
}

/// Does what the test says.
class FakeStore final : public ringpool::Store {
  public:
    using Requests = std::span<const ringpool::AllocationRequest>;
    using Answers = std::span<ringpool::Allocation>;

    std::function<void(Requests, Answers, Deadline)> on_allocate;
    std::function<Result<void>(ringpool::PoolIndex, Deadline)> on_release;
    Result<void> readiness;

    void allocate(Requests requests, Answers answers, Deadline deadline) override {
        on_allocate(requests, answers, deadline);
    }
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber, const ringpool::Session&,
                         Deadline deadline) override {
        return on_release(pool, deadline);
    }
    Result<void> ready() const override { return readiness; }
};

/// Answers every call with what the test has put there, and remembers which were made.
class FakePools final : public ringpool::PoolAdministration {
  public:
    std::vector<std::string> calls;
    std::optional<Error> error;
    ringpool::PoolFigures known;

    Result<bool> put_pool(ringpool::PoolDefinition definition) override {
        return answer(true, "put " + definition.id);
    }
    Result<void> remove_pool(std::string_view id) override {
        calls.push_back("remove " + std::string(id));
        return error ? Result<void>(*error) : Result<void>();
    }
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override {
        return answer(ringpool::NumbersChange{{}, std::move(edit.remove), {}, {}},
                      "edit " + std::string(id));
    }
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override {
        return answer(ringpool::NumbersChange{{wanted.at(0).number}, {}, {}, {}},
                      "set " + std::string(id));
    }
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override {
        return answer(ringpool::NumberPage{{}, from + max}, "numbers " + std::string(id));
    }
    Result<ringpool::PoolFigures> figures(std::string_view id) override {
        return answer(known, "figures " + std::string(id));
    }

  private:
    template <class Value>
    Result<Value> answer(Value value, std::string call) {
        calls.push_back(std::move(call));
        if (error) return *error;
        return value;
    }
};

class FakeEvents final : public ringpool::EventSource {
  public:
    std::function<Result<ringpool::EventBatch>(const ringpool::EventQuery&, Deadline)> on_read;

    Result<ringpool::EventBatch> read(const ringpool::EventQuery& query,
                                      Deadline deadline) override {
        return on_read(query, deadline);
    }
};

/// Likewise. What a test has not set it does not want to be called.
class FakeShard final : public Shard {
  public:
    FakeStore own_store;
    FakePools own_pools;
    FakeEvents own_events;
    std::function<Result<HoldersFound>(Deadline)> on_holders;
    std::function<Result<std::size_t>(std::string_view, Deadline)> on_erase;
    std::function<Result<std::vector<store::NumberKnowledge>>(
        std::span<const ringpool::PhoneNumber>, Deadline)>
        on_look_up;
    std::function<Result<void>(std::string_view, Deadline)> on_sweep;
    std::function<Result<OverflowCounts>(std::string_view, Deadline)> on_overflow_counts;
    std::function<Result<std::vector<ops::DemandHour>>(std::string_view, Deadline)> on_demand;

    ringpool::Store& store() noexcept override { return own_store; }
    ringpool::PoolAdministration& pools() noexcept override { return own_pools; }
    ringpool::EventSource& events() noexcept override { return own_events; }
    Result<HoldersFound> holders(ringpool::PhoneNumber, std::optional<WallTime>, std::size_t,
                                 Deadline deadline) override {
        return on_holders(deadline);
    }
    Result<std::size_t> erase(std::string_view session_id, Deadline deadline) override {
        return on_erase(session_id, deadline);
    }
    Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) override {
        return on_look_up(numbers, deadline);
    }
    Result<void> sweep(std::string_view pool_id, Deadline deadline) override {
        return on_sweep(pool_id, deadline);
    }
    Result<OverflowCounts> overflow_counts(std::string_view pool_id, Deadline deadline) override {
        return on_overflow_counts(pool_id, deadline);
    }
    Result<std::vector<ops::DemandHour>> demand(std::string_view pool_id,
                                                Deadline deadline) override {
        return on_demand(pool_id, deadline);
    }
    Result<std::string> report(Deadline) override { return std::string(); }
    Result<std::string> profile(Deadline) override { return std::string(); }
};

/// So many, as the classes that route want them.
class FakeShards {
  public:
    explicit FakeShards(std::size_t count) : shards_(count) {}

    FakeShard& operator[](ShardIndex i) { return shards_[i]; }
    std::vector<Shard*> all() {
        std::vector<Shard*> pointers;
        for (FakeShard& shard : shards_) pointers.push_back(&shard);
        return pointers;
    }

  private:
    std::vector<FakeShard> shards_;
};

}  // namespace ringmaster::shard
