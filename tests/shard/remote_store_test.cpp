#include "ringmaster/shard/remote_store.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shard/peer_fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What a test tells of an answer: its number's last digits, or why there is none.
std::string describe(const Allocation& answer) {
    if (answer.outcome == Allocation::Outcome::allocated) {
        return std::to_string(answer.number.digits() % 10'000);
    }
    const bool refused = answer.outcome == Allocation::Outcome::refused;
    return (refused ? "refused: " : "") + std::string(to_string(answer.reason));
}

/// A fiber that asks for numbers for some sessions.
struct Caller {
    std::vector<std::string> sessions;
    std::vector<AllocationRequest> requests;
    std::vector<Allocation> answers;
    runtime::Task task;
    bool done = false;

    std::vector<std::string> described() const {
        std::vector<std::string> texts;
        for (const Allocation& answer : answers) texts.push_back(describe(answer));
        return texts;
    }
};

struct RemoteStoreTest : ::testing::Test, PeerRuntime {
    RemoteStoreTest() {
        // Indices that are no other process's.
        for (const char* id : {"boats", "autos", "strict"}) {
            ringpool::PoolDefinition pool = make_pool(id);
            pool.allow_overflow = pool.id != "strict";
            EXPECT_TRUE(catalog.put(std::move(pool)));
        }
        make();
    }
    ~RemoteStoreTest() override {
        // Nobody may wait any more.
        if (!peers.empty()) peers.back().hang_up();
        settle();
        EXPECT_EQ(reactor.scheduler().fibers_in_use(), 0u);
        EXPECT_EQ(link->stats().under_way, 0u);
    }

    void make(RemoteStoreOptions options = {}) {
        store.reset();
        link = std::make_unique<PeerLink>(reactor, log, PeerLinkOptions{.peer = "shard 3"},
                                          [this]() -> Result<int> {
                                              if (refuse)
                                                  return Error{ErrorCode::closed, "nobody listens"};
                                              const auto [ours, theirs] = socket_pair();
                                              peers.emplace_back(theirs);
                                              peers.back().write(greeting());
                                              return ours;
                                          });
        store = std::make_unique<RemoteStore>(catalog, *link, options);
    }

    /// Begins in the same turn as others, until settle().
    Caller& begin(std::vector<std::string> sessions, Deadline deadline = {},
                  std::string_view pool = "autos") {
        Caller& caller = callers.emplace_back();
        caller.sessions = std::move(sessions);
        for (const std::string& id : caller.sessions) {
            caller.requests.push_back({*catalog.find(pool), {id, {}}});
        }
        caller.answers.resize(caller.requests.size());
        reactor.enter([&] {
            caller.task = reactor.scheduler().spawn("caller", [this, &caller, deadline] {
                store->allocate(caller.requests, caller.answers, deadline);
                caller.done = true;
            });
        });
        return caller;
    }
    Caller& call(std::vector<std::string> sessions, Deadline deadline = {},
                 std::string_view pool = "autos") {
        Caller& caller = begin(std::move(sessions), deadline, pool);
        settle();
        return caller;
    }

    /// The session ids of each call that has arrived since the last time.
    std::vector<std::string> arrived() {
        std::vector<std::string> texts;
        if (peers.empty()) return texts;
        for (RawPeer::Frame& frame : peers.back().take_frames()) {
            std::string text;
            std::string_view rest = frame.payload;
            while (const auto row = RequestRow::take(rest)) {
                text.append(text.empty() ? "" : " ").append(row->session.id.value_or("-"));
            }
            EXPECT_EQ(rest, "");
            texts.push_back(text);
            frames.push_back(std::move(frame));
        }
        return texts;
    }
    /// Answers the oldest call that has arrived with these numbers; 0: the pool is not known.
    void answer(const std::vector<std::uint64_t>& numbers) {
        std::string payload;
        for (const std::uint64_t n : numbers) {
            n == 0 ? AnswerRow::append_unknown_pool(payload)
                   : AnswerRow::append(payload, ScriptedShard::number(n));
        }
        answer_bytes(payload);
    }
    void answer_bytes(const std::string& payload, bool failed = false) {
        ASSERT_FALSE(frames.empty());
        FrameHead head = frames.front().head;
        head.failed = failed;
        frames.pop_front();
        peers.back().answer(head, payload);
        settle();
    }
    void fail(const Error& error) {
        std::string payload;
        append_error(payload, error);
        answer_bytes(payload, true);
    }

    bool refuse = false;
    ringpool::Catalog catalog;
    std::deque<RawPeer> peers;
    std::deque<RawPeer::Frame> frames;  ///< arrived, not answered
    std::deque<Caller> callers;
    std::unique_ptr<PeerLink> link;
    std::unique_ptr<RemoteStore> store;
};

// ---------------------------------------------------------------------------------------------
// Merging

TEST_F(RemoteStoreTest, CallersOfOneTurnShareACall) {
    const Caller& a = begin({"a1", "a2"});
    const Caller& b = begin({"b1"});
    const Caller& c = begin({"c1", "c2", "c3"});
    settle();
    EXPECT_THAT(arrived(), ElementsAre("a1 a2 b1 c1 c2 c3"));
    answer({1, 2, 3, 4, 5, 6});
    EXPECT_THAT(a.described(), ElementsAre("1", "2"));
    EXPECT_THAT(b.described(), ElementsAre("3"));
    EXPECT_THAT(c.described(), ElementsAre("4", "5", "6"));
    EXPECT_TRUE(a.done && b.done && c.done);
    EXPECT_EQ(a.answers[0].formatted.view(), "201-555-1");
    EXPECT_EQ(a.answers[0].expires_at, ScriptedShard::number(1).expires_at);
}

TEST_F(RemoteStoreTest, WhatComesWhileACallIsUnderWayGoesOutTogetherNext) {
    call({"a"});
    EXPECT_THAT(arrived(), ElementsAre("a"));
    call({"b"});
    call({"c"});
    EXPECT_THAT(arrived(), IsEmpty());
    answer({1});
    EXPECT_TRUE(callers[0].done);
    EXPECT_THAT(arrived(), ElementsAre("b c"));
    answer({2, 3});
    EXPECT_THAT(callers[1].described(), ElementsAre("2"));
    EXPECT_THAT(callers[2].described(), ElementsAre("3"));
}

TEST_F(RemoteStoreTest, SoManyCallsAsAllowedAreUnderWay) {
    make({.max_calls_under_way = 2});
    call({"a"});
    call({"b"});
    call({"c"});
    EXPECT_THAT(arrived(), ElementsAre("a", "b"));
    answer({1});
    EXPECT_THAT(arrived(), ElementsAre("c"));
}

TEST_F(RemoteStoreTest, ACallHasBoundedRows) {
    make({.max_call_rows = 2});
    call({"a", "b", "c", "d", "e"});
    EXPECT_THAT(arrived(), ElementsAre("a b"));
    answer({1, 2});
    EXPECT_FALSE(callers[0].done);
    EXPECT_THAT(arrived(), ElementsAre("c d"));
    answer({3, 4});
    EXPECT_THAT(arrived(), ElementsAre("e"));
    answer({5});
    EXPECT_THAT(callers[0].described(), ElementsAre("1", "2", "3", "4", "5"));
    EXPECT_TRUE(callers[0].done);
}

TEST_F(RemoteStoreTest, ACallHasBoundedBytesButForASingleRow) {
    make({.max_call_bytes = 100});
    call({std::string(40, 'a'), std::string(40, 'b'), std::string(400, 'c'), "d"});
    EXPECT_THAT(arrived(), ElementsAre(std::string(40, 'a')));
    answer({1});
    EXPECT_THAT(arrived(), ElementsAre(std::string(40, 'b')));
    answer({2});
    EXPECT_THAT(arrived(), ElementsAre(std::string(400, 'c')));
    answer({3});
    EXPECT_THAT(arrived(), ElementsAre("d"));
    answer({4});
    EXPECT_THAT(callers[0].described(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(RemoteStoreTest, WhatFindsNoRoomIsAnsweredAtOnce) {
    make({.max_call_rows = 1, .max_calls_waiting = 2});
    call({"a"});
    const Caller& b = call({"b", "c", "d"});
    EXPECT_FALSE(b.done);
    const Caller& e = call({"e"});
    EXPECT_TRUE(e.done);
    EXPECT_THAT(e.described(), ElementsAre("owner_slow"));
    EXPECT_EQ(e.answers[0].number.digits(), 18005550100u) << "the pool's overflow number";
    arrived();
    answer({1});
    arrived();
    answer({2});
    arrived();
    answer({3});
    EXPECT_THAT(b.described(), ElementsAre("2", "3", "owner_slow"));
    EXPECT_EQ(store->stats().rows_slow, 2u);
}

TEST_F(RemoteStoreTest, PoolsAreNamedByTheirIds) {
    call({"a"}, {}, "boats");
    auto read = peers.back().take_frames();
    ASSERT_EQ(read.size(), 1u);
    std::string_view rest = read[0].payload;
    EXPECT_EQ(RequestRow::take(rest)->pool_id, "boats");
}

TEST_F(RemoteStoreTest, NoRowsAreNoCall) {
    EXPECT_TRUE(call({}).done);
    EXPECT_TRUE(peers.empty());
}

// ---------------------------------------------------------------------------------------------
// Slow

TEST_F(RemoteStoreTest, WhoseDeadlinePassesLeavesAndTheOthersWaitOn) {
    const Caller& hasty = begin({"a", "b"}, in(milliseconds(20)));
    const Caller& patient = begin({"c"}, in(milliseconds(50)));
    settle();
    EXPECT_THAT(arrived(), ElementsAre("a b c"));
    EXPECT_EQ(frames[0].head.deadline().time(), in(milliseconds(50)).time())
        << "as long as anybody waits";
    advance(milliseconds(20));
    EXPECT_TRUE(hasty.done);
    EXPECT_FALSE(patient.done);
    EXPECT_THAT(hasty.described(), Each("owner_slow"));
    answer({1, 2, 3});
    EXPECT_THAT(hasty.described(), Each("owner_slow")) << "its answers are nobody's business now";
    EXPECT_THAT(patient.described(), ElementsAre("3"));
    EXPECT_EQ(link->stats().late_answers, 0u) << "the call was answered in time";
}

TEST_F(RemoteStoreTest, ACallForWhichNobodyWaitsHoldsNoOtherBack) {
    call({"a"}, in(milliseconds(20)));
    call({"b"}, in(milliseconds(50)));
    EXPECT_THAT(arrived(), ElementsAre("a"));
    advance(milliseconds(20));
    EXPECT_THAT(arrived(), ElementsAre("b"));
    EXPECT_EQ(link->stats().timeouts, 1u);

    answer({1});  // to the first one, late
    EXPECT_EQ(link->stats().late_answers, 1u);
    answer({2});
    EXPECT_THAT(callers[0].described(), ElementsAre("owner_slow"));
    EXPECT_THAT(callers[1].described(), ElementsAre("2"));
}

TEST_F(RemoteStoreTest, AHungShardMakesNobodyWaitLongerThanItsDeadline) {
    std::size_t waiting = 0;
    for (int ms = 0; ms < 500; ms += 5) {
        call({"x", "y"}, in(milliseconds(50)));
        arrived();
        advance(milliseconds(5));
        waiting = static_cast<std::size_t>(std::ranges::count(callers, false, &Caller::done));
        ASSERT_LE(waiting, 10u);
    }
    advance(milliseconds(50));
    for (const Caller& caller : callers) {
        EXPECT_TRUE(caller.done);
        EXPECT_THAT(caller.described(), Each("owner_slow"));
    }
    EXPECT_EQ(link->stats().connections, 1u);
}

TEST_F(RemoteStoreTest, RowsThatWereNotSentGoWithTheirCaller) {
    call({"a"}, in(milliseconds(100)));
    call({"b1", "b2"}, in(milliseconds(100)));
    call({"c1", "c2"}, in(milliseconds(20)));
    call({"d1", "d2"}, in(milliseconds(100)));
    arrived();
    advance(milliseconds(20));
    EXPECT_THAT(callers[2].described(), Each("owner_slow"));
    answer({1});
    EXPECT_THAT(arrived(), ElementsAre("b1 b2 d1 d2"));
    answer({2, 3, 4, 5});
    EXPECT_THAT(callers[1].described(), ElementsAre("2", "3"));
    EXPECT_THAT(callers[3].described(), ElementsAre("4", "5"));
}

TEST_F(RemoteStoreTest, ACallThatAllHaveLeftBeforeItWasSentIsNotSent) {
    call({"a"}, in(milliseconds(100)));
    call({"b"}, in(milliseconds(20)));
    EXPECT_THAT(arrived(), ElementsAre("a"));
    advance(milliseconds(20));
    EXPECT_TRUE(callers[1].done);
    answer({1});
    EXPECT_THAT(arrived(), IsEmpty());
    call({"c"});
    EXPECT_THAT(arrived(), ElementsAre("c"));
    EXPECT_EQ(link->stats().timeouts, 0u);
}

TEST_F(RemoteStoreTest, NothingIsAskedAfterTheDeadline) {
    EXPECT_TRUE(call({"a"}, in(milliseconds(0))).done);
    EXPECT_THAT(callers[0].described(), ElementsAre("owner_slow"));
    EXPECT_TRUE(peers.empty());
}

TEST_F(RemoteStoreTest, ATooBusyShardIsSlow) {
    call({"a"});
    arrived();
    fail({ErrorCode::unavailable, "too many requests are in flight there"});
    EXPECT_THAT(callers[0].described(), ElementsAre("owner_slow"));
}

// ---------------------------------------------------------------------------------------------
// Cancelled

TEST_F(RemoteStoreTest, WhoIsCancelledLeaves) {
    Caller& sent = begin({"a1", "a2"});
    Caller& other = begin({"b"});
    settle();
    Caller& waiting = call({"c"});
    Caller& last = call({"d"});
    EXPECT_THAT(arrived(), ElementsAre("a1 a2 b"));
    reactor.enter([&] {
        for (const Caller* caller : {&sent, &waiting}) caller->task.cancel("client left");
    });
    settle();
    ASSERT_FALSE(sent.task.is_running());
    ASSERT_FALSE(waiting.task.is_running());
    EXPECT_FALSE(sent.done || waiting.done);

    sent.answers.clear();  // where its answers were is no more
    sent.answers.shrink_to_fit();
    answer({1, 2, 3});
    EXPECT_THAT(other.described(), ElementsAre("3"));
    EXPECT_THAT(arrived(), ElementsAre("d"));
    answer({4});
    EXPECT_THAT(last.described(), ElementsAre("4"));
}

TEST_F(RemoteStoreTest, WhoIsCancelledBeforehandAsksNothing) {
    reactor.enter([&] {
        callers.emplace_back().requests = {{*catalog.find("autos"), {"a", {}}}};
        callers[0].answers.resize(1);
        const auto task = reactor.scheduler().spawn("caller", [this] {
            store->allocate(callers[0].requests, callers[0].answers, {});
            callers[0].done = true;
        });
        task.cancel("client left");
    });
    settle();
    EXPECT_FALSE(callers[0].done);
    EXPECT_TRUE(peers.empty());
}

// ---------------------------------------------------------------------------------------------
// Gone

TEST_F(RemoteStoreTest, WhereNobodyListensRowsAreAnsweredAtOnce) {
    refuse = true;
    EXPECT_TRUE(call({"a", "b"}).done);
    EXPECT_THAT(callers[0].described(), Each("owner_down"));
    EXPECT_THAT(call({"c"}, {}, "strict").described(), ElementsAre("refused: owner_down"));
    EXPECT_EQ(store->stats().rows_down, 3u);
}

TEST_F(RemoteStoreTest, AShardThatDiesAnswersNothingAndItsSuccessorTheRest) {
    call({"a"});
    call({"b"});
    EXPECT_THAT(arrived(), ElementsAre("a"));
    peers.back().hang_up();
    settle();
    EXPECT_THAT(callers[0].described(), ElementsAre("owner_down"));
    EXPECT_FALSE(callers[1].done) << "was not sent to the one that died";
    EXPECT_EQ(peers.size(), 2u);
    frames.clear();
    EXPECT_THAT(arrived(), ElementsAre("b"));
    answer({2});
    EXPECT_THAT(callers[1].described(), ElementsAre("2"));
}

TEST_F(RemoteStoreTest, AShardThatComesAndGoesIsReconnectedTo) {
    for (int i = 0; i < 5; ++i) {
        Caller& before = call({"a"});
        arrived();
        answer({7});
        EXPECT_THAT(before.described(), ElementsAre("7"));
        Caller& during = call({"b"});
        arrived();
        peers.back().hang_up();
        settle();
        EXPECT_THAT(during.described(), ElementsAre("owner_down"));
        frames.clear();
        refuse = true;
        EXPECT_THAT(call({"c"}).described(), ElementsAre("owner_down"));
        refuse = false;
        advance(milliseconds(5));
    }
    EXPECT_EQ(link->stats().connections, 5u);
    EXPECT_EQ(link->stats().failures, 5u);
}

TEST_F(RemoteStoreTest, ADrainingShardIsDown) {
    call({"a"});
    arrived();
    fail({ErrorCode::closed, "draining"});
    EXPECT_THAT(callers[0].described(), ElementsAre("owner_down"));
}

TEST_F(RemoteStoreTest, AnswersWithoutSenseAreNone) {
    std::string bad_row;
    AnswerRow::append(bad_row, ScriptedShard::number(1));
    AnswerRow::append(bad_row, ScriptedShard::number(2));
    bad_row[AnswerRow::kBytes + 17] = '\x7f';
    std::string row_missing;
    AnswerRow::append(row_missing, ScriptedShard::number(1));
    for (const std::string& payload : {bad_row, row_missing, std::string("x"), std::string()}) {
        Caller& caller = call({"a", "b"});
        arrived();
        RawPeer& peer = peers.back();
        answer_bytes(payload);
        EXPECT_TRUE(caller.done);
        EXPECT_THAT(caller.described(), Each("owner_down"));
        EXPECT_TRUE(peer.at_end());
        advance(milliseconds(5));
    }
}

TEST_F(RemoteStoreTest, APoolThatTheOwnerDoesNotKnowIsUnavailable) {
    call({"a", "b", "c"});
    arrived();
    answer({1, 0, 3});
    EXPECT_THAT(callers[0].described(), ElementsAre("1", "store_unavailable", "3"));
    Caller& strict = call({"d"}, {}, "strict");
    arrived();
    answer({0});
    EXPECT_THAT(strict.described(), ElementsAre("refused: store_unavailable"));
}

// ---------------------------------------------------------------------------------------------
// Release

struct RemoteRelease : RemoteStoreTest {
    /// Begins a release with a deadline in 50 ms.
    void release() {
        spawn([this] {
            released = store->release(*catalog.find("autos"),
                                      ringpool::PhoneNumber::from_digits(12015550100), {"v-81", {}},
                                      in(milliseconds(50)));
        });
        settle();
        if (!peers.empty()) {
            for (auto& frame : peers.back().take_frames()) frames.push_back(std::move(frame));
        }
    }
    std::optional<Result<void>> released;
};

TEST_F(RemoteRelease, SaysWhatIsToBeReleased) {
    release();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].head.type, CallType::release);
    EXPECT_EQ(frames[0].head.deadline().time(), in(milliseconds(50)).time());
    const auto read = decode_value<ReleaseCall>(frames[0].payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->pool_id, "autos");
    EXPECT_EQ(read->number.digits(), 12015550100u);
    EXPECT_EQ(read->session_id, "v-81");
    answer_bytes("");
    ASSERT_TRUE(released);
    EXPECT_TRUE(released->ok());
}

TEST_F(RemoteRelease, WhatIsNotHeldIsNotFound) {
    release();
    fail({ErrorCode::not_found, "the session does not hold it"});
    ASSERT_TRUE(released && !released->ok());
    EXPECT_EQ(released->error().code, ErrorCode::not_found);
    EXPECT_EQ(released->error().message, "the session does not hold it");
}

TEST_F(RemoteRelease, ASlowShardIsUnavailable) {
    release();
    advance(milliseconds(50));
    ASSERT_TRUE(released && !released->ok());
    EXPECT_EQ(released->error().code, ErrorCode::unavailable);
    EXPECT_EQ(released->error().message, "shard 3 has not answered in time");
    answer_bytes("");
    EXPECT_EQ(link->stats().late_answers, 1u);
}

TEST_F(RemoteRelease, AShardThatIsGoneIsUnavailable) {
    release();
    peers.back().hang_up();
    settle();
    ASSERT_TRUE(released && !released->ok());
    EXPECT_EQ(released->error().code, ErrorCode::unavailable);
    refuse = true;
    released.reset();
    release();
    ASSERT_TRUE(released && !released->ok());
    EXPECT_EQ(released->error().code, ErrorCode::unavailable);
    EXPECT_THAT(released->error().message, HasSubstr("nobody listens"));
}

// ---------------------------------------------------------------------------------------------

TEST_F(RemoteStoreTest, CountsHowManyRowsItsCallsHave) {
    make({.max_call_rows = 2000});
    for (const std::size_t rows : {1u, 2u, 3u, 4u, 5u, 1024u, 1025u}) {
        call(std::vector<std::string>(rows, "x"));
        arrived();
        answer(std::vector<std::uint64_t>(rows, 7));
        EXPECT_THAT(callers.back().described(), Each("7"));
    }
    const auto stats = store->stats();
    EXPECT_THAT(stats.rows_per_call, ElementsAre(1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1));
    EXPECT_EQ(stats.rows, 1u + 2 + 3 + 4 + 5 + 1024 + 1025);
}

}  // namespace
}  // namespace ringmaster::shard
