#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store_contract/run_in_fiber.hpp"
#include "store_contract/values.hpp"
#include "store_contract/world.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store_contract {

/// What administrators see: each pool's definition and numbers ("#0"), the draining ones marked.
using PoolsView = std::map<std::string, std::pair<ringpool::PoolDefinition, std::set<std::string>>>;
/// Suspends.
PoolsView view_pools(const ringpool::Catalog& catalog, ringpool::PoolAdministration& pools);

/// A number as tests name it: "#7" is test_number(0, 7).
std::string name_of(ringpool::PhoneNumber number);
/// Such a number's name, or "overflow: exhausted", or "refused: exhausted".
std::string text_of(const ringpool::Allocation& answer);
/// E.g. "added #0 #3, draining #1", each list sorted; "nothing".
std::string text_of(const Result<ringpool::NumbersChange>& change);
/// E.g. "autos v-1 [context] from 0 touched 0 until 1800000 free 2100000": ms since `start`.
std::string text_of(const ringpool::Hold& hold, WallTime start);

inline std::vector<ringpool::PoolNumber> numbers_from(unsigned first, unsigned count) {
    std::vector<ringpool::PoolNumber> result;
    for (unsigned i = first; i < first + count; ++i) result.push_back(test_number(0, i));
    return result;
}
inline std::vector<ringpool::PoolNumber> numbers(std::initializer_list<unsigned> list) {
    std::vector<ringpool::PoolNumber> result;
    for (const unsigned i : list) result.push_back(test_number(0, i));
    return result;
}
inline std::vector<ringpool::PhoneNumber> plain(std::initializer_list<unsigned> list) {
    std::vector<ringpool::PhoneNumber> result;
    for (const unsigned i : list) result.push_back(test_number(0, i).number);
    return result;
}

/// One process of a world as tests call it: each call in a fiber of its own, which has ended when
/// the call returns. Pools are named by their ids. Contexts are any bytes: no store looks into
/// them.
class Caller {
  public:
    using SessionId = std::optional<std::string_view>;
    struct Row {
        std::string_view pool;
        SessionId session;
        std::string_view context = {};
        bool keeps_context = false;
    };

    explicit Caller(std::shared_ptr<StoreWorld> world, std::size_t process = 0)
        : world_(std::move(world)), process_(process) {}

    StoreWorld& world() const { return *world_; }
    std::shared_ptr<StoreWorld> shared_world() const { return world_; }
    Process process() const { return world_->process(process_); }
    void run(const std::function<void()>& job) const { run_in_fiber(world_->reactor(), job); }
    const ringpool::Catalog& catalog() const { return *process().catalog; }
    /// Precondition: there is such a pool.
    ringpool::PoolIndex index_of(std::string_view pool) const {
        return catalog().find(pool).value();
    }

    std::vector<ringpool::Allocation> allocate(const std::vector<Row>& rows);
    ringpool::Allocation allocate(std::string_view pool, SessionId session,
                                  std::string_view context = {}) {
        return allocate({{pool, session, context}}).front();
    }
    ringpool::Allocation allocate_at(ringpool::PoolIndex pool, SessionId session);
    /// The same, as text.
    std::string ask(std::string_view pool, SessionId session, std::string_view context = {}) {
        return text_of(allocate(pool, session, context));
    }
    std::vector<std::string> ask(const std::vector<Row>& rows);

    Result<void> release(std::string_view pool, ringpool::PhoneNumber number, SessionId session,
                         std::string_view context = {});
    /// The same, of test_number(0, number): "released", or the name of the error.
    std::string give_back(std::string_view pool, unsigned number, SessionId session,
                          std::string_view context = {});

    Result<bool> put(const ringpool::PoolDefinition& pool);
    Result<void> remove(std::string_view pool);
    Result<ringpool::NumbersChange> edit(std::string_view pool, const ringpool::NumbersEdit& edit);
    Result<ringpool::NumbersChange> set(std::string_view pool,
                                        const std::vector<ringpool::PoolNumber>& wanted);
    Result<ringpool::NumberPage> page(std::string_view pool, std::size_t from, std::size_t max);
    /// All of a pool, in no particular order.
    std::vector<ringpool::NumberState> states(std::string_view pool);
    Result<ringpool::PoolFigures> figures(std::string_view pool);
    PoolsView view();
    /// Puts the pool, and adds numbers first, first + 1 and so on to it.
    void create(std::string_view id, unsigned count, const Rules& rules = {}, unsigned first = 0);

    Result<std::vector<ringpool::Hold>> holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at = {},
                                                std::size_t max = 100);
    Result<std::size_t> erase(std::string_view session);

  private:
    template <class Job>
    auto in_fiber(Job&& job) {
        std::optional<decltype(job(process()))> result;
        run([&] { result.emplace(job(process())); });
        return *std::move(result);
    }

    std::shared_ptr<StoreWorld> world_;
    std::size_t process_;
};

/// A test of the contract: the first process of a world of its own.
class StoreContract : public ::testing::TestWithParam<WorldKind>, protected Caller {
  protected:
    StoreContract() : Caller(GetParam().make()), start_(world().now()) {}

    WallTime now() { return world().now(); }
    void leap(std::chrono::milliseconds by) { world().leap(by); }
    void leap_to(WallTime time) { world().leap(time - now()); }

    const WallTime start_;
};

inline std::string world_name(const ::testing::TestParamInfo<WorldKind>& info) {
    return info.param.name;
}

}  // namespace ringmaster::store_contract
