#include "ringmaster/store/neighbours.hpp"

#include "ringmaster/store/load_pools.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/neighbourhood.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::NumbersChange;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;

constexpr auto kAllocated = Allocation::Outcome::allocated;
constexpr std::uint64_t kOverflow = 18005550100;

PhoneNumber number(unsigned i) {
    return test_number(0, i).number;
}

std::vector<PoolNumber> numbers(std::initializer_list<unsigned> list) {
    std::vector<PoolNumber> result;
    for (const unsigned i : list) result.push_back(test_number(0, i));
    return result;
}

std::vector<PhoneNumber> plain(std::initializer_list<unsigned> list) {
    std::vector<PhoneNumber> result;
    for (const unsigned i : list) result.push_back(number(i));
    return result;
}

ringpool::PoolDefinition definition(const std::string& id) {
    ringpool::PoolDefinition pool;
    pool.id = id;
    pool.key = std::string("secret");
    pool.lifetime = 30min;
    pool.cooldown = 5min;
    pool.overflow = {PhoneNumber::from_digits(kOverflow),
                     ringpool::FormattedNumber("800-555-0100")};
    return pool;
}

/// Pool "autos" (numbers 0, 1, 2) is the first store's, "boats" (10, 11) the second's.
class NeighboursTest : public ::testing::Test {
  protected:
    NeighboursTest() {
        for (const char* id : {"autos", "boats"}) EXPECT_TRUE(put(definition(id)).value());
        EXPECT_EQ(edit("autos", {numbers({0, 1, 2}), {}}).value().added.size(), 3u);
        EXPECT_EQ(edit("boats", {numbers({10, 11}), {}}).value().added.size(), 2u);
        all_.counts = {};
    }
    static EmbeddedStoreOptions options() {
        EmbeddedStoreOptions options;
        options.fsync = Fsync::never;
        options.segment_bytes = 64 << 10;
        return options;
    }
    Result<bool> put(const ringpool::PoolDefinition& pool) {
        return all_.ask([&] { return all_.owner(pool.id).pools().put_pool(pool); });
    }
    Result<void> remove(const std::string& id) {
        return all_.ask([&] { return all_.owner(id).pools().remove_pool(id); });
    }
    Result<NumbersChange> edit(const std::string& id, const ringpool::NumbersEdit& edit) {
        return all_.ask([&] { return all_.owner(id).pools().edit_numbers(id, edit); });
    }
    /// In the words of the one who refuses.
    std::string refusal(const std::string& id, unsigned n) {
        const auto change = edit(id, {numbers({n}), {}});
        return change.value().refused.empty() ? "" : change.value().refused.front().reason;
    }
    Allocation allocate(std::size_t store, const std::string& id, std::string_view session) {
        return all_.ask([&] {
            const ringpool::AllocationRequest request{all_.catalog(store).find(id).value(),
                                                      {session, {}}};
            Allocation answer;
            all_.store(store).allocate({&request, 1}, {&answer, 1}, {});
            return answer;
        });
    }
    Allocation allocate(const std::string& id, std::string_view session) {
        return allocate(Neighbourhood::owner_of(id), id, session);
    }
    std::vector<NumberKnowledge> look_up(std::size_t store, std::initializer_list<unsigned> list) {
        return all_.ask([&] { return all_.store(store).pools().look_up(plain(list)); }).value();
    }
    std::size_t numbers_in_file(const std::string& id) {
        return all_.files().load(id).value().numbers.size();
    }

    Neighbourhood all_{2, options()};
};

// --- who knows what ------------------------------------------------------------------------------

TEST_F(NeighboursTest, EveryoneKnowsAllPoolsAndItsOwnNumbers) {
    for (int life = 0; life < 2; ++life) {
        for (const std::size_t store : {0u, 1u}) {
            const auto& catalog = all_.catalog(store);
            for (const char* id : {"autos", "boats"}) {
                ASSERT_TRUE(catalog.find(id));
                EXPECT_EQ(catalog.at(*catalog.find(id)), definition(id));
            }
        }
        const auto own = all_.ask([&] { return all_.store(0).pools().figures("autos"); });
        EXPECT_EQ(own.value().numbers, 3u);
        all_.restart(0);
    }
}

TEST_F(NeighboursTest, APoolOfAnotherIsNotFoundButNeverHarms) {
    auto& pools = all_.store(0).pools();
    EXPECT_EQ(all_.ask([&] { return pools.figures("boats"); }).error().code, ErrorCode::not_found);
    EXPECT_EQ(all_.ask([&] { return pools.numbers("boats", 0, 1); }).error().code,
              ErrorCode::not_found);
    const auto boats = all_.catalog(0).find("boats").value();
    EXPECT_EQ(all_.ask([&] {
                      return all_.store(0).release(boats, number(10), {"v-1", {}}, {});
                  })
                  .error()
                  .code,
              ErrorCode::not_found);
    // In a batch, the others' rows are served all the same.
    const auto autos = all_.catalog(0).find("autos").value();
    all_.run([&] {
        const std::vector<ringpool::AllocationRequest> requests = {
            {autos, {"v-1", {}}}, {boats, {"v-1", {}}}, {autos, {"v-2", {}}}};
        std::vector<Allocation> answers(3);
        all_.store(0).allocate(requests, answers, {});
        EXPECT_EQ(answers[0].outcome, kAllocated);
        EXPECT_EQ(answers[1].number.digits(), kOverflow);
        EXPECT_EQ(answers[1].reason, OverflowReason::store_unavailable);
        EXPECT_EQ(answers[2].outcome, kAllocated);
        EXPECT_EQ(all_.store(0).history().erase("v-1").value(), 1u);
    });
}

TEST_F(NeighboursTest, OnlyTheOwnerChangesAPool) {
    auto& pools = all_.store(0).pools();
    const auto expect_refused = [](const auto& result) {
        EXPECT_EQ(result.error().code, ErrorCode::unavailable);
        EXPECT_EQ(result.error().message, "pool 'boats' belongs to another shard");
    };
    expect_refused(all_.ask([&] { return pools.put_pool(definition("boats")); }));
    expect_refused(all_.ask([&] { return pools.remove_pool("boats"); }));
    expect_refused(all_.ask([&] { return pools.edit_numbers("boats", {}); }));
    expect_refused(all_.ask([&] { return pools.set_numbers("boats", {}); }));
    expect_refused(all_.ask([&] { return pools.sweep_left("boats"); }));
    EXPECT_EQ(numbers_in_file("boats"), 2u);
}

TEST_F(NeighboursTest, EachChangeOfADefinitionIsAnnounced) {
    auto boats = definition("boats");
    boats.name = "Boats";
    EXPECT_FALSE(put(boats).value());
    const auto index = all_.catalog(0).find("boats");
    EXPECT_EQ(all_.catalog(0).at(index.value()).name, "Boats");
    EXPECT_TRUE(remove("boats").ok());
    EXPECT_FALSE(all_.catalog(0).find("boats"));
    EXPECT_TRUE(put(boats).value());
    EXPECT_EQ(all_.catalog(0).find("boats"), index);
    EXPECT_EQ(all_.counts.announcements, 3u);
    EXPECT_TRUE(edit("boats", {numbers({10}), {}}).ok());
    EXPECT_EQ(all_.counts.announcements, 3u) << "the same definition";
}

TEST_F(NeighboursTest, TellsWhatItKnowsOfNumbers) {
    EXPECT_TRUE(look_up(0, {77, 10}).empty());
    const auto until = allocate("autos", "v-1").expires_at + 5min;
    EXPECT_TRUE(edit("autos", {{}, plain({0, 1})}).ok());
    auto known = look_up(0, {2, 1, 77, 0});
    ASSERT_EQ(known.size(), 3u);
    EXPECT_EQ(known[0].number, number(2));
    EXPECT_EQ(known[0].pool, "autos");
    EXPECT_FALSE(known[0].draining || known[0].has_left || known[0].slot.session);
    EXPECT_TRUE(known[1].draining && known[1].has_left);
    EXPECT_EQ(known[2].number, number(0));
    EXPECT_TRUE(known[2].draining && !known[2].has_left && known[2].slot.session);
    EXPECT_LE(std::chrono::abs(known[2].slot.eligible_at - until), 1s);
    EXPECT_FALSE(known[2].slot.draining) << "which is not for another pool to inherit";
    EXPECT_TRUE(remove("autos").ok());
    known = look_up(0, {0, 2});
    ASSERT_EQ(known.size(), 1u) << "nobody has had the other one";
    EXPECT_EQ(known[0].pool, "");
    EXPECT_TRUE(known[0].slot.session);
}

// --- refusals ------------------------------------------------------------------------------------

TEST_F(NeighboursTest, RefusesANumberThatIsInAPoolElsewhere) {
    allocate("boats", "v-1");
    EXPECT_TRUE(edit("boats", {{}, plain({10})}).ok());
    EXPECT_EQ(refusal("autos", 10), "it is still held in pool 'boats', which it is to leave");
    EXPECT_EQ(refusal("autos", 11), "it is in pool 'boats'");
    // Each of them is told, and then nothing is applied.
    auto wanted = numbers({5, 10, 11});
    wanted.push_back({PhoneNumber::from_digits(kOverflow), {}});
    const auto change = edit("autos", {wanted, plain({1})});
    EXPECT_EQ(change.value().refused.size(), 3u);
    EXPECT_EQ(numbers_in_file("autos"), 3u);
}

TEST_F(NeighboursTest, RefusesTheOverflowNumberOfAnyPool) {
    auto boats = definition("boats");
    boats.overflow.number = number(50);
    EXPECT_TRUE(put(boats).ok());
    EXPECT_EQ(refusal("autos", 50), "it is the overflow number of pool 'boats'");
    all_.restart(0);
    EXPECT_EQ(refusal("autos", 50), "it is the overflow number of pool 'boats'");
    EXPECT_TRUE(remove("boats").ok());
    EXPECT_EQ(refusal("autos", 50), "");
}

TEST_F(NeighboursTest, RefusesAnOverflowNumberThatAPoolElsewhereHandsOut) {
    auto autos = definition("autos");
    autos.overflow.number = number(10);
    const std::string expected = "overflow number is " + number(10).e164() +
                                 "; expected one that no pool hands out, but it is in pool 'boats'";
    EXPECT_EQ(put(autos).error().message, expected);
    allocate("boats", "v-1");
    EXPECT_TRUE(edit("boats", {{}, plain({10})}).ok());
    EXPECT_EQ(put(autos).error().message, expected) << "as long as it is still held there";
    EXPECT_EQ(all_.files().load_definition("autos").value(), definition("autos"));
    all_.leap(36min);
    EXPECT_TRUE(put(autos).ok());
    EXPECT_EQ(numbers_in_file("boats"), 1u) << "else the next start would find it in both";
    all_.restart(1);
}

TEST_F(NeighboursTest, ALocalPoolLetsGoOfAnOverflowNumberToo) {
    EXPECT_TRUE(edit("autos", {{}, plain({1})}).ok());
    auto other = definition("airplanes");
    other.overflow.number = number(1);
    EXPECT_TRUE(put(other).value());
    EXPECT_EQ(numbers_in_file("autos"), 2u);
    all_.restart(0);
}

TEST_F(NeighboursTest, ChangesWaitUntilAllNeighboursAnswer) {
    const auto expect_unavailable = [](const auto& result) {
        EXPECT_EQ(result.error().code, ErrorCode::unavailable);
        EXPECT_EQ(result.error().message, "shard 1 does not answer");
    };
    all_.disk(1).freeze();
    auto autos = definition("autos");
    autos.overflow.number = number(60);
    expect_unavailable(put(autos));
    expect_unavailable(edit("autos", {numbers({5}), {}}));
    EXPECT_EQ(numbers_in_file("autos"), 3u);
    // What takes no number from anyone needs nobody's answer.
    autos.overflow = definition("autos").overflow;
    autos.name = "Cars";
    EXPECT_FALSE(put(autos).value());
    EXPECT_EQ(edit("autos", {{}, plain({1})}).value().removed, plain({1}));
    all_.crash(1);
    EXPECT_EQ(edit("autos", {numbers({5}), {}}).value().added, plain({5}));
}

TEST_F(NeighboursTest, NothingIsChangedWithoutThePermit) {
    all_.refuse_permits();
    EXPECT_EQ(put(definition("airplanes")).error().code, ErrorCode::unavailable);
    EXPECT_EQ(remove("autos").error().code, ErrorCode::unavailable);
    EXPECT_EQ(edit("autos", {{}, plain({1})}).error().code, ErrorCode::unavailable);
    EXPECT_EQ(all_.files().list().value(), (std::vector<std::string>{"autos", "boats"}));
}

TEST_F(NeighboursTest, AsksForManyNumbersInPortions) {
    std::vector<PoolNumber> many;
    for (unsigned i = 0; i < 2 * Neighbours::kMaxLookUp + 1; ++i) {
        many.push_back(test_number(1, i));
    }
    EXPECT_EQ(edit("autos", {many, {}}).value().added.size(), many.size());
    EXPECT_EQ(all_.counts.look_ups, 3u);
    many.push_back(test_number(0, 11));
    EXPECT_EQ(edit("boats", {many, {}}).value().refused.size(), many.size() - 1);
}

// --- numbers that move ---------------------------------------------------------------------------

TEST_F(NeighboursTest, ANumberMovesToAnotherStoreWhenItsTimeIsOver) {
    allocate("autos", "v-1");
    EXPECT_TRUE(edit("autos", {{}, plain({0})}).ok());
    all_.leap(36min);
    all_.before_sweep = [&] { EXPECT_EQ(numbers_in_file("boats"), 2u) << "not in two files"; };
    EXPECT_EQ(edit("boats", {numbers({0}), {}}).value().added, plain({0}));
    EXPECT_EQ(all_.counts.sweeps, 1u);
    EXPECT_EQ(numbers_in_file("autos"), 2u);
    for (const std::size_t store : {0u, 1u}) all_.crash(store);
    EXPECT_EQ(refusal("autos", 0), "it is in pool 'boats'");
    for (const char* session : {"a", "b"}) EXPECT_NE(allocate("boats", session).number, number(0));
    EXPECT_EQ(allocate("boats", "c").number, number(0)) << "the one that somebody had comes last";
}

TEST_F(NeighboursTest, WhatARemovedPoolPromisedBindsTheOthers) {
    allocate("autos", "v-1");
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(edit("boats", {numbers({0}), plain({10, 11})}).value().added, plain({0}));
    for (int life = 0; life < 2; ++life) {
        EXPECT_EQ(allocate("boats", "v-1").reason, OverflowReason::exhausted);
        EXPECT_EQ(allocate("boats", "v-2").reason, OverflowReason::exhausted);
        all_.crash(1);
    }
    all_.leap(35min);
    EXPECT_EQ(allocate("boats", "v-2").number, number(0));
}

TEST_F(NeighboursTest, TheNewestPromiseCountsWhereverANumberGoes) {
    // It comes and goes; each store remembers who had it there.
    const char* const session = "v-1";
    for (int round = 0; round < 2; ++round) {
        for (const std::string from : {"autos", "boats"}) {
            const std::string to = from == "autos" ? "boats" : "autos";
            EXPECT_TRUE(put(definition(to)).ok());
            EXPECT_TRUE(
                all_.ask([&] { return all_.owner(from).pools().set_numbers(from, numbers({0})); })
                    .ok());
            all_.leap(36min);
            EXPECT_EQ(allocate(from, session).number, number(0)) << round;
            EXPECT_TRUE(remove(from).ok());
            EXPECT_TRUE(
                all_.ask([&] { return all_.owner(to).pools().set_numbers(to, numbers({0})); })
                    .ok());
            EXPECT_EQ(allocate(to, "v-2").reason, OverflowReason::exhausted) << round;
            all_.leap(35min);
        }
    }
}

// --- trouble -------------------------------------------------------------------------------------

TEST_F(NeighboursTest, AFileThatCouldNotBeWrittenIsPutRightBeforeAnyoneElseRelies) {
    all_.disk(1).fail(TestDisk::syncing_directory, std::errc::io_error);
    EXPECT_EQ(edit("boats", {numbers({5}), {}}).error().code, ErrorCode::unavailable);
    EXPECT_EQ(numbers_in_file("boats"), 3u) << "it has happened all the same";
    EXPECT_EQ(edit("autos", {numbers({5}), {}}).error().code, ErrorCode::unavailable);
    all_.disk(1).heal();
    EXPECT_EQ(edit("autos", {numbers({5}), {}}).error().message,
              "a pool's file has only now been put right; try again");
    EXPECT_EQ(numbers_in_file("boats"), 2u);
    EXPECT_EQ(edit("autos", {numbers({5}), {}}).value().added, plain({5}));
}

TEST_F(NeighboursTest, ADefinitionThatIsTakenBackIsAnnouncedAgain) {
    auto boats = definition("boats");
    boats.overflow.number = number(50);
    all_.disk(1).fail(TestDisk::syncing_directory, std::errc::io_error);
    EXPECT_EQ(put(boats).error().code, ErrorCode::unavailable);
    const auto known = [&] { return all_.catalog(0).at(*all_.catalog(0).find("boats")); };
    EXPECT_EQ(known(), boats) << "as it would be after a crash";
    all_.disk(1).heal();
    EXPECT_EQ(edit("autos", {numbers({5}), {}}).error().code, ErrorCode::unavailable);
    EXPECT_EQ(known(), definition("boats"));
}

TEST_F(NeighboursTest, ANeighbourMayLookWhileAChangeWaitsForItsTurn) {
    all_.run([&] {
        auto permit = all_.neighbours(1).begin_change();
        bool changed = false;
        all_.scheduler().spawn("change", [&] {
            EXPECT_TRUE(all_.store(0).pools().edit_numbers("autos", {{}, plain({1})}).ok());
            changed = true;
        });
        all_.scheduler().yield();
        EXPECT_EQ(all_.store(0).pools().look_up(plain({1})).value().size(), 1u);
        EXPECT_TRUE(all_.store(0).pools().sweep_left("autos").ok());
        EXPECT_FALSE(changed);
        permit.value().reset();
        while (!changed) all_.scheduler().yield();
    });
}

// Whoever asked has given up waiting, and its permit went to another.
TEST_F(NeighboursTest, ALateSweepWaitsForTheChangeThatIsUnderWay) {
    EXPECT_TRUE(edit("autos", {{}, plain({0})}).ok());
    all_.run([&] {
        auto& pools = all_.store(0).pools();
        unsigned done = 0;
        all_.scheduler().spawn("change", [&] {
            EXPECT_TRUE(pools.edit_numbers("autos", {numbers({5}), {}}).ok());
            ++done;
        });
        all_.scheduler().spawn("sweep", [&] {
            EXPECT_TRUE(pools.sweep_left("autos").ok());
            ++done;
        });
        while (done < 2) all_.scheduler().yield();
    });
    EXPECT_EQ(numbers_in_file("autos"), 3u);
    all_.crash(0);
    EXPECT_EQ(all_.ask([&] { return all_.store(0).pools().figures("autos"); }).value().numbers, 3u);
}

class CrashOfANeighbour : public NeighboursTest,
                          public ::testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Store, CrashOfANeighbour, ::testing::Values(0u, 1u));

// One number has left "autos"; another was promised to somebody, and then its pool was removed.
TEST_P(CrashOfANeighbour, AtAnyStepOfAMoveBreaksNothing) {
    bool frozen = true;
    for (unsigned step = 0; frozen; ++step) {
        SCOPED_TRACE(step);
        const unsigned left = 100 + step;
        const unsigned promised = 200 + step;
        ASSERT_TRUE(put(definition("airplanes")).value());
        ASSERT_TRUE(edit("airplanes", {numbers({promised}), {}}).ok());
        ASSERT_EQ(allocate("airplanes", "v-1").number, number(promised));
        ASSERT_TRUE(remove("airplanes").ok());
        ASSERT_TRUE(edit("autos", {numbers({left}), {}}).ok());
        ASSERT_TRUE(edit("autos", {{}, plain({left})}).ok());

        all_.disk(GetParam()).freeze_after(static_cast<int>(step));
        const auto change = edit("boats", {numbers({left, promised}), {}});
        frozen = all_.disk(GetParam()).frozen();
        ASSERT_TRUE(change.ok() || frozen);
        all_.crash(GetParam());

        std::set<PhoneNumber> seen;
        for (const char* id : {"autos", "boats"}) {
            const auto pool = all_.files().load(id);
            for (const StoredNumber& stored : pool.value().numbers) {
                ASSERT_TRUE(seen.insert(stored.number.number).second);
            }
        }
        const auto again = edit("boats", {numbers({left, promised}), {}});
        ASSERT_TRUE(again.ok()) << again.error().message;
        ASSERT_TRUE(again.value().refused.empty());
        std::set<PhoneNumber> handed_out;
        for (const char* session : {"v-1", "v-2", "v-3", "v-4"}) {
            handed_out.insert(allocate("boats", session).number);
        }
        EXPECT_TRUE(handed_out.contains(number(left)));
        EXPECT_FALSE(handed_out.contains(number(promised)));
        all_.leap(36min);
        ASSERT_TRUE(edit("boats", {{}, plain({left, promised})}).ok());
    }
}

TEST_F(NeighboursTest, DraftsOfOthersAreLeftAlone) {
    std::vector<std::filesystem::path> drafts;
    for (const char* id : {"autos", "boats"}) {
        drafts.push_back(all_.files().path_of(id) += ".tmp");
        std::ofstream(drafts.back()) << "half";
    }
    ringpool::Catalog catalog;
    Holdings holdings;
    ASSERT_TRUE(load_pools(all_.files(), all_.neighbours(0), catalog, holdings));
    EXPECT_FALSE(std::filesystem::exists(drafts[0]));
    EXPECT_TRUE(std::filesystem::exists(drafts[1]));
}

}  // namespace
}  // namespace ringmaster::store
