#include "ringmaster/store/journal_history.hpp"

#include "ringmaster/store/journal_inspection.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "store/restarted_store.hpp"
#include <gtest/gtest.h>

namespace ringmaster::ringpool {

std::ostream& operator<<(std::ostream& out, const Hold& hold) {
    const auto ms = [](WallTime t) { return t.time_since_epoch().count() % 10'000'000'000; };
    return out << "\n  {" << static_cast<int>(hold.detail) << " " << hold.pool_id << " "
               << hold.session_id.value_or("(none)") << " " << hold.context << " from "
               << ms(hold.allocated_at) << " touched " << ms(hold.last_touch) << " until "
               << ms(hold.expires_at) << " free " << ms(hold.free_at) << "}";
}
bool operator==(const Hold& a, const Hold& b) {
    return a.detail == b.detail && a.pool_id == b.pool_id && a.session_id == b.session_id &&
           a.context == b.context && a.allocated_at == b.allocated_at &&
           a.last_touch == b.last_touch && a.expires_at == b.expires_at && a.free_at == b.free_at;
}

}  // namespace ringmaster::ringpool

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Hold;
using ringpool::PhoneNumber;
using Detail = Hold::Detail;
using Holds = std::vector<Hold>;

class JournalHistoryTest : public RestartedStoreTest {
  protected:
    TestStore& open(std::vector<TestPool> pools = {{"autos", 1, 1800s, 300s}}) {
        return RestartedStoreTest::open(std::move(pools));
    }
    /// Who had it at a time of the store's clock, in times of that clock.
    Result<Holds> try_ask(PhoneNumber number, std::optional<WallTime> at, std::size_t max = 100) {
        std::optional<Result<Holds>> answer;
        store_->run([&] {
            const auto ahead = store_->reactor().scheduler().wall_now() - (*store_)->hold_now();
            if (at) *at += ahead;
            answer = (*store_)->history().holders(number, at, max, {});
            if (!*answer) return;
            for (Hold& hold : **answer) {
                for (auto* t :
                     {&hold.allocated_at, &hold.last_touch, &hold.expires_at, &hold.free_at}) {
                    *t -= ahead;
                }
            }
        });
        return *std::move(answer);
    }
    Holds ask(std::optional<WallTime> at = {}, std::size_t max = 100) {
        const auto answer = try_ask(kNumber, at, max);
        EXPECT_TRUE(answer.ok()) << answer.error().message;
        return answer ? *answer : Holds();
    }
    Result<std::size_t> erase(std::string_view session) {
        std::optional<Result<std::size_t>> result;
        store_->run([&] { result = (*store_)->history().erase(session); });
        return *std::move(result);
    }
    void release(std::string_view session, PhoneNumber number = kNumber) {
        store_->run([&] {
            EXPECT_TRUE((*store_)->release(0, number, {session, {}}, {}).ok()) << session;
        });
    }
    const ringpool::Slot& slot(ringpool::SlotIndex i = 0) { return (*store_)->pool(0).slot(i); }
    /// What memory says of the hold that began last.
    Hold current(std::string_view session, std::string context = {}) {
        return {Detail::known,       "autos",           std::string(session), std::move(context),
                slot().allocated_at, slot().last_touch, slot().expires_at,    slot().eligible_at};
    }
    fs::path shard() const { return stream_path(directory_.path(), 0); }
    /// In how many of the files these bytes stand.
    std::size_t files_with(std::string_view bytes) const {
        std::size_t count = 0;
        for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
            if (!entry.is_regular_file()) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string all((std::istreambuf_iterator<char>(file)), {});
            if (all.find(bytes) != std::string::npos) ++count;
        }
        return count;
    }
    void expect_no_damage() const {
        InspectionVisitor visitor;
        visitor.on_finding = [](const InspectionFinding& f) {
            EXPECT_FALSE(f.damage) << f.file << " " << f.offset << " " << f.what;
        };
        EXPECT_TRUE(inspect_journal(directory_.path(), visitor).ok());
    }
    /// Waits until the store can write again.
    void wait_until_ready() {
        store_->run([&] {
            while (!(*store_)->ready()) store_->sleep(1ms);
        });
    }

    static constexpr PhoneNumber kNumber = PhoneNumber::from_digits(18'660'000'000);
};

TEST_F(JournalHistoryTest, FollowsANumberFromPoolToPoolAndThroughNone) {
    open({{"autos", 1}}).allocate(0, "v-1", "a");
    const Hold first = current("v-1", "a");
    clock_.leap(3h);
    // Long past, so that no promise binds it; and in no pool, so that only its history is left.
    for (int i = 0; i < 3; ++i) {
        open({{"autos", 0}});
        EXPECT_EQ(ask(), Holds{first});
    }
    open({{"boats", 1}}).allocate(0, "v-2", "b");
    Hold second = current("v-2", "b");
    second.pool_id = "boats";
    EXPECT_EQ(ask(), (Holds{second, first}));
}

TEST_F(JournalHistoryTest, GivesUpAtTheDeadline) {
    auto& store = open();
    store.allocate(0, "v-0");
    for (int i = 0; i < 20; ++i) {
        release("v-" + std::to_string(i));
        clock_.leap(301s);
        store.allocate(0, "v-" + std::to_string(i + 1));
    }
    store.run([&] {
        const auto past = Deadline::at(store.reactor().scheduler().now());
        EXPECT_EQ(store->history().holders(kNumber, {}, 100, past).error().code,
                  ErrorCode::timeout);
    });
}

// Against a model that is nothing but a list of what memory said.
struct ModelHold {
    Hold hold;
    std::vector<std::pair<WallTime, std::string>> contexts;
};
Holds expected(const std::vector<ModelHold>& model, WallTime at, std::size_t max) {
    Holds answer;
    for (auto it = model.rbegin(); it != model.rend() && answer.size() < max; ++it) {
        if (it->hold.allocated_at > at) continue;
        Hold hold = it->hold;
        for (const auto& [since, context] : it->contexts) {
            if (since <= at) hold.context = context;
        }
        answer.push_back(hold);
    }
    return answer;
}

TEST_F(JournalHistoryTest, AgreesWithASimpleListWhateverHappens) {
    std::mt19937 random(7);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::map<PhoneNumber, std::vector<ModelHold>> model;
    const auto note = [&](PhoneNumber number, const std::string& pool, const std::string& session,
                          const std::string& context) {
        for (ringpool::SlotIndex i = 0; i < (*store_)->pool(0).size(); ++i) {
            if ((*store_)->pool(0).number(i).number != number) continue;
            const ringpool::Slot& s = slot(i);
            auto& holds = model[number];
            if (holds.empty() || holds.back().hold.allocated_at != s.allocated_at) {
                holds.push_back({{Detail::known, pool, session, {}, s.allocated_at}, {}});
            }
            Hold& hold = holds.back().hold;
            hold.last_touch = s.last_touch;
            hold.expires_at = s.expires_at;
            hold.free_at = s.eligible_at;
            auto& contexts = holds.back().contexts;
            if (contexts.empty() || contexts.back().second != context) {
                contexts.emplace_back(s.last_touch, context);
            }
        }
    };
    std::string pool = "autos";
    open({{pool, 3, 600s, 60s}});
    for (int step = 0; step < 1500; ++step) {
        const std::string session = "v-" + std::to_string(below(6));
        const std::string context = std::string(below(3) * 40 + 1, 'c');
        const unsigned dice = below(100);
        clock_.leap(1ms);  // by their begins holds are told from each other
        if (dice < 60) {
            const auto answer = store_->allocate(0, session, context);
            if (answer.outcome == ringpool::Allocation::Outcome::allocated) {
                note(answer.number, pool, session, context);
            }
        } else if (dice < 70) {
            const auto number = test_number(0, below(3)).number;
            bool released = false;
            store_->run([&] { released = (*store_)->release(0, number, {session, {}}, {}).ok(); });
            if (released) {
                note(number, pool, session, model[number].back().contexts.back().second);
            }
        } else if (dice < 80) {
            clock_.leap(std::chrono::seconds(below(900)));
        } else if (dice < 83) {
            if (below(2) == 0) kill();
            pool = below(2) == 0 ? "autos" : "boats";
            open({{pool, 1 + below(3), 600s, 60s}});
        } else {
            const auto number = test_number(0, below(3)).number;
            const auto& holds = model[number];
            WallTime at = (*store_)->hold_now();
            if (!holds.empty()) {
                const auto begin = holds[below(static_cast<unsigned>(holds.size()))].hold;
                at = begin.allocated_at + std::chrono::milliseconds(below(900'000));
                if (below(3) == 0) at = begin.allocated_at - std::chrono::milliseconds(below(2));
            }
            const std::size_t max = 1 + below(5);
            const auto answer = try_ask(number, at, max);
            ASSERT_TRUE(answer.ok()) << step << ": " << answer.error().message;
            ASSERT_EQ(*answer, expected(holds, at, max)) << step;
        }
    }
    for (const auto& [number, holds] : model) {
        EXPECT_EQ(*try_ask(number, {}, 10'000), expected(holds, WallTime::max(), 10'000));
        EXPECT_GT(holds.size(), 20u);
    }
    EXPECT_GT(list_shard(shard())->segments.size(), 5u);
}

// --- a disk that fails, and files that are damaged -----------------------------------------------

TEST_F(JournalHistoryTest, AHoldWhoseRecordWasLostIsToldAsLostUntilItIsTouched) {
    auto& store = open();
    store.allocate(0, "v-1", "a");
    const Hold first = current("v-1", "a");
    clock_.leap(3h);
    disk_.fail(TestDisk::writing, std::errc::io_error);
    store.allocate(0, "v-2", "b");
    Hold lost = current("v-2");
    lost.detail = Detail::lost;
    lost.pool_id.clear();
    lost.session_id.reset();
    EXPECT_EQ(ask(), (Holds{lost, first})) << "while the disk fails";
    disk_.heal();
    wait_until_ready();
    EXPECT_EQ(ask(), (Holds{lost, first}));
    store.allocate(0, "v-2", "b");
    EXPECT_EQ(ask()[0], current("v-2", "b"));
    EXPECT_EQ(ask()[1].session_id, "v-1");
}

TEST_F(JournalHistoryTest, ALostContextLeavesTheOneBefore) {
    auto& store = open();
    store.allocate(0, "v-1", "a");
    disk_.fail(TestDisk::writing, std::errc::io_error);
    store.allocate(0, "v-1", "b");
    disk_.heal();
    wait_until_ready();
    EXPECT_EQ(ask(), Holds{current("v-1", "a")});
    store.allocate(0, "v-1", "b");
    EXPECT_EQ(ask(), Holds{current("v-1", "b")});
}

TEST_F(JournalHistoryTest, ALostHoldStandsBetweenTheOthers) {
    auto& store = open();
    store.allocate(0, "v-1", "a");
    clock_.leap(3h);
    disk_.fail(TestDisk::writing, std::errc::io_error);
    store.allocate(0, "v-2", "b");
    const Hold lost = current("v-2");
    disk_.heal();
    wait_until_ready();
    clock_.leap(3h);
    store.allocate(0, "v-3", "c");
    for (const bool restarted : {false, true}) {
        if (restarted) open();
        const Holds holds = ask();
        ASSERT_EQ(holds.size(), 3u);
        EXPECT_EQ(holds[0], current("v-3", "c"));
        EXPECT_EQ(holds[1].detail, Detail::lost);
        EXPECT_EQ(holds[1].expires_at, lost.expires_at);
        EXPECT_EQ(holds[2].session_id, "v-1");
    }
    expect_no_damage();
}

TEST_F(JournalHistoryTest, RecordsThatWereWrittenAndNeverSyncedMayBeGone) {
    auto& store = open();
    store.allocate(0, "v-1", "a");
    disk_.fail(TestDisk::syncing, std::errc::io_error);
    clock_.leap(2s);
    store.run([&] {
        while (store->ready().ok()) store.sleep(1ms);
    });
    const JournalPosition record = slot().record;
    EXPECT_EQ(record & kDoubtful, kDoubtful);
    disk_.heal();
    wait_until_ready();
    EXPECT_EQ(ask(), Holds{current("v-1", "a")}) << "the kernel still has it";
    fs::resize_file(segment_path(shard(), segment_of(record)), offset_of(position_of(record)));
    ASSERT_EQ(ask().size(), 1u);
    EXPECT_EQ(ask()[0].detail, Detail::lost);
    expect_no_damage();
}

TEST_F(JournalHistoryTest, SaysWhereARecordIsDamaged) {
    auto& store = open();
    store.allocate(0, "v-1", "a");
    const JournalPosition record = slot().record;
    store.run([&] { EXPECT_TRUE(store->ready().ok()); });
    const fs::path path = segment_path(shard(), segment_of(record));
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
        .seekp(static_cast<std::streamoff>(offset_of(record) + 40))
        .put('!');
    const auto answer = try_ask(kNumber, {});
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, ErrorCode::damaged);
    EXPECT_NE(answer.error().message.find(path.string() + " is damaged at offset " +
                                          std::to_string(offset_of(record))),
              std::string::npos)
        << answer.error().message;
    EXPECT_EQ(erase("v-1").error().code, ErrorCode::damaged);
}

// Whatever step of the repair a crash interrupts, the next start finds its way.
TEST_F(JournalHistoryTest, ACrashWhileTheJournalIsBegunAnewIsNoDamage) {
    bool repaired = false;
    for (int step = 0; !repaired; ++step) {
        const TempDirectory directory;
        {
            TestDisk disk;
            TestStore store(directory.path(), {{"autos", 100}}, options_, &disk);
            for (int i = 0; i < 5; ++i) store.allocate(0, "v-" + std::to_string(i));
            store.run([&] {
                while (!fs::exists(segment_path(stream_path(directory.path(), 0), 2)))
                    store.sleep(1ms);
            });
            disk.write_short(20);
            store.allocate(0, "v-5");
            disk.heal();
            disk.freeze_after(step);
            store.run([&] {
                for (int i = 0; i < 500 && !disk.frozen() && !store->ready(); ++i) store.sleep(1ms);
            });
            repaired = store->ready().ok();
            if (repaired) store.allocate(0, "v-6");
            disk.freeze();
        }
        TestStore store(directory.path(), {{"autos", 100}}, options_);
        ASSERT_FALSE(store.error()) << step << ": " << store.error()->message;
        EXPECT_EQ(store.allocate(0, "v-4").number, test_number(0, 4).number);
        store.run([&] { EXPECT_EQ(*store->history().erase("v-3"), 1u) << step; });
        const auto summary = inspect_journal(directory.path(), {});
        EXPECT_EQ(summary->damages, 0u) << step;
    }
}

// --- limits --------------------------------------------------------------------------------------

TEST_F(JournalHistoryTest, EndsWhereTheJournalIsKeptNoMore) {
    options_.history_max_bytes = 16 << 10;
    auto& store = open({{"autos", 20, 600s}});
    const std::string context(300, 'x');
    store.allocate(0, "silent", "kept");
    const Hold silent = current("silent", "kept");
    unsigned round = 0;
    // The first number is not touched any more, but its time lasts; the second one is touched.
    for (; round < 60; ++round) {
        store.allocate(0, "stays", "stays");
        for (int i = 0; i < 10; ++i) {
            store.allocate(0, "v-" + std::to_string(i), context + std::to_string(round));
        }
        clock_.leap(5s);
    }
    EXPECT_EQ(ask(), Holds{silent});
    clock_.leap(1h);
    const auto begin = [&] { return list_shard(shard())->segments.front(); };
    for (; round < 4000 && begin() < 20; ++round) {
        store.allocate(0, "stays", "stays");
        for (int i = 0; i < 10; ++i) {
            store.allocate(0, "v-" + std::to_string(i), context + std::to_string(round));
        }
        const auto stays = try_ask(test_number(0, 1).number, {}, 1);
        ASSERT_TRUE(stays.ok()) << stays.error().message;
        ASSERT_EQ(stays->at(0).context, "stays");
        clock_.leap(5s);
    }
    ASSERT_GE(begin(), 20u);
    EXPECT_TRUE(ask().empty() || ask()[0].session_id != "silent");
}

// --- erasing -------------------------------------------------------------------------------------

constexpr const char* kSecret = "visitor-to-be-forgotten";
constexpr const char* kSecretContext = "gclid-to-be-forgotten";

TEST_F(JournalHistoryTest, ErasesEveryTraceOfASessionAndNothingElse) {
    auto& store = open({{"autos", 3, 1800s}, {"boats", 3, 1800s}});
    for (int round = 0; round < 40; ++round) {
        const std::string context = kSecretContext + std::to_string(round);
        store.allocate(0, kSecret, context);
        store.allocate(1, kSecret, context);
        store.allocate(0, "other", "other-context" + std::to_string(round) + std::string(90, 'x'));
        if (round % 10 == 9) {
            clock_.leap(2h);
        }
    }
    ASSERT_GT(files_with(kSecret), 2u);
    const auto others = files_with("other-context");
    const auto erased = erase(kSecret);
    ASSERT_TRUE(erased.ok()) << erased.error().message;
    EXPECT_EQ(*erased, 80u);
    EXPECT_EQ(files_with(kSecret), 0u);
    EXPECT_EQ(files_with(kSecretContext), 0u);
    EXPECT_EQ(files_with("other-context"), others);
    EXPECT_EQ(*erase(kSecret), 0u);
    EXPECT_EQ(*erase("never-seen"), 0u);
    expect_no_damage();
    for (const bool restarted : {false, true}) {
        if (restarted) {
            kill();
            open({{"autos", 3, 1800s}, {"boats", 3, 1800s}});
        }
        const Holds holds = ask();
        ASSERT_FALSE(holds.empty());
        for (const Hold& hold : holds) {
            if (hold.session_id == "other") continue;
            EXPECT_EQ(hold.detail, Detail::erased);
            EXPECT_EQ(hold.pool_id, "autos");
            EXPECT_EQ(hold.session_id, std::nullopt);
            EXPECT_EQ(hold.context, "");
        }
        EXPECT_NE(holds[0].state_at((*store_)->hold_now()), Hold::State::held);
    }
    EXPECT_EQ(files_with(kSecret), 0u);
}

TEST_F(JournalHistoryTest, AHoldThatGoesOnAfterItsRecordWasErasedIsRecordedAnew) {
    for (const bool replayed : {false, true}) {
        open().allocate(0, kSecret);
        if (replayed) kill();
        open({{"autos", 0}});
        EXPECT_NE(*erase(kSecret), 0u);
        if (replayed) kill();
        open().allocate(0, kSecret);
        EXPECT_EQ(ask()[0].session_id, kSecret);
        clock_.leap(3h);
    }
}

TEST_F(JournalHistoryTest, ErasesWhatWasGivenUpWhenTheDiskFailed) {
    auto& store = open({{"autos"}});
    store.allocate(0, "v-1");
    const std::string context = kSecretContext + std::string(200, 'x');
    disk_.write_short(150);
    store.allocate(0, kSecret, context);
    disk_.heal();
    wait_until_ready();
    ASSERT_EQ(files_with(kSecret), 1u);
    EXPECT_EQ(*erase(kSecret), 0u) << "its record was not whole";
    EXPECT_EQ(files_with(kSecret), 0u);
    expect_no_damage();
}

TEST_F(JournalHistoryTest, OthersGoOnWhileASessionIsErased) {
    options_.segment_bytes = 16 << 10;
    auto& store = open({{"autos", 50, 24h}});
    for (int i = 0; i < 30; ++i) {
        store.allocate(0, "v-" + std::to_string(i), std::string(400, 'x'));
        store.allocate(0, kSecret, kSecretContext + std::to_string(i));
    }
    store.run([&] {
        std::size_t running = 2;
        for (int i = 0; i < 2; ++i) {
            store.reactor().scheduler().spawn("erase", [&] {
                EXPECT_TRUE(store->history().erase(kSecret).ok());
                --running;
            });
        }
        int i = 0;
        while (running > 0) {
            store.allocate_here(0, "v-" + std::to_string(i % 30), std::to_string(i));
            ++i;
            EXPECT_TRUE(store->history().holders(kNumber, {}, 5, {}).ok());
        }
    });
    EXPECT_EQ(files_with(kSecret), 0u);
    expect_no_damage();
    EXPECT_EQ(open({{"autos", 50, 24h}}).allocate(0, "v-7").outcome,
              ringpool::Allocation::Outcome::allocated);
}

TEST_F(JournalHistoryTest, AnErasureThatACrashInterruptsIsWholeOrNothingAtTheNextStart) {
    bool whole = false;
    bool completed_later = false;
    for (int step = 0; !whole; ++step) {
        const TempDirectory directory;
        const auto count = [&](std::string_view bytes) {
            std::size_t found = 0;
            for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
                if (!entry.is_regular_file()) continue;
                std::ifstream file(entry.path(), std::ios::binary);
                const std::string all((std::istreambuf_iterator<char>(file)), {});
                for (auto at = all.find(bytes); at != all.npos; at = all.find(bytes, at + 1)) {
                    ++found;
                }
            }
            return found;
        };
        std::size_t before = 0;
        {
            TestDisk disk;
            TestStore store(directory.path(), {{"autos"}}, options_, &disk);
            for (int i = 0; i < 20; ++i) {
                store.allocate(0, kSecret, kSecretContext + std::to_string(i));
                store.allocate(0, "other", std::string(300, 'x') + std::to_string(i));
            }
            before = count(kSecretContext);
            store.run([&] {
                disk.freeze_after(step);
                whole = store->history().erase(kSecret).ok();
            });
            disk.freeze();
        }
        TestStore store(directory.path(), {{"autos"}}, options_);
        ASSERT_FALSE(store.error()) << step << ": " << store.error()->message;
        const std::size_t left = count(kSecretContext);
        EXPECT_TRUE(left == before || left == 0) << step << ": " << left << " of " << before;
        if (whole) {
            EXPECT_EQ(left, 0u);
        }
        completed_later = completed_later || (left == 0 && !whole);
        EXPECT_EQ(inspect_journal(directory.path(), {})->damages, 0u) << step;
        store.run([&] {
            EXPECT_TRUE(store->history().holders(kNumber, {}, 100, {}).ok()) << step;
            EXPECT_TRUE(store->history().erase(kSecret).ok()) << step;
        });
        EXPECT_EQ(count(kSecretContext), 0u) << step;
        EXPECT_FALSE(fs::exists(erasure_path(stream_path(directory.path(), 0))));
    }
    EXPECT_TRUE(completed_later);
}

}  // namespace
}  // namespace ringmaster::store
