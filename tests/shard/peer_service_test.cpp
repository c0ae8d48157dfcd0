#include "ringmaster/shard/peer_service.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/seed.hpp"
#include "shard/peer_fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::Allocation;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct PeerServiceTest : ::testing::Test, PeerRuntime {
    PeerServiceTest() {
        for (const char* id : {"autos", "boats"}) EXPECT_TRUE(catalog.put(make_pool(id)));
        make();
    }
    ~PeerServiceTest() override {
        go_on.set();
        reactor.enter([] {});
        settle();
        EXPECT_EQ(service->stats().calls_in_work, 0u);
        EXPECT_EQ(reactor.scheduler().fibers_in_use(), 0u);
    }

    void make(PeerServiceOptions options = {}) {
        service = std::make_unique<PeerService>(
            reactor, log, catalog, own,
            [this](Deadline deadline) {
                caught_up.push_back(deadline);
                return catch_up;
            },
            options);
    }

    /// Another shard that connects; `greets` as it should.
    RawPeer& connect(std::string_view greets = greeting()) {
        const auto [ours, theirs] = socket_pair();
        reactor.enter([&, end = ours] { service->serve(end); });
        RawPeer& peer = peers.emplace_back(theirs);
        peer.write(greets);
        settle();
        return peer;
    }
    void call(RawPeer& peer, CallType type, std::uint64_t id, std::string_view payload = "") {
        call(peer, type, id, in(std::chrono::milliseconds(50)), payload);
    }
    void call(RawPeer& peer, CallType type, std::uint64_t id, Deadline deadline,
              std::string_view payload) {
        const FrameHead head{.deadline_ns = FrameHead::ns_of(deadline), .call = id, .type = type};
        peer.write_frame(head, payload);
        settle();
        keep_seed(head, payload);
    }
    static void keep_seed(FrameHead head, std::string_view payload) {
        std::string bytes = "\xff" + greeting() + std::string(FrameHead::kBytes, '\0');
        head.payload_bytes = static_cast<std::uint32_t>(payload.size());
        head.encode(bytes.data() + 1 + kGreetingBytes);
        fuzz::keep_seed("peer", bytes.append(payload));
    }
    /// The ids of the calls that were answered since the last time, failed ones with the text.
    static std::vector<std::string> answers(RawPeer& peer) {
        std::vector<std::string> texts;
        for (const auto& frame : peer.take_frames()) {
            EXPECT_TRUE(frame.head.answer);
            EXPECT_EQ(frame.head.deadline_ns, 0);
            std::string text = std::to_string(frame.head.call);
            if (frame.head.failed) {
                const Error error = decode_error(frame.payload);
                text += " " + std::string(to_string(error.code)) + ": " + error.message;
            }
            texts.push_back(text);
        }
        return texts;
    }
    /// Reports are held until `go_on` is set.
    void hold_reports() {
        own.on_report = [this](Deadline) -> Result<std::string> {
            ++reports;
            go_on.wait();
            return std::string("report");
        };
    }
    void let_go() {
        reactor.enter([&] { go_on.set(); });
        settle();
    }

    ringpool::Catalog catalog;
    ScriptedShard own;
    Result<void> catch_up;
    std::vector<Deadline> caught_up;
    runtime::Event go_on{reactor.scheduler()};
    std::size_t reports = 0;
    std::deque<RawPeer> peers;
    std::unique_ptr<PeerService> service;
};

std::string row(std::string_view pool, std::string_view session, std::string_view context = "") {
    std::string bytes;
    RequestRow{pool, {session, ringpool::Context(context)}}.append_to(bytes);
    return bytes;
}

// ---------------------------------------------------------------------------------------------
// Allocations

TEST_F(PeerServiceTest, AllRowsOfACallAreAllocatedTogether) {
    const std::string context("\1\1\0nv", 5);
    std::vector<std::string> asked;
    own.on_allocate = [&](ScriptedShard::Requests requests, ScriptedShard::Answers answers,
                          Deadline deadline) {
        EXPECT_EQ(deadline.time(), in(milliseconds(50)).time());
        go_on.wait();  // meanwhile other frames come
        for (std::size_t i = 0; i < requests.size(); ++i) {
            asked.push_back(catalog.at(requests[i].pool).id + "/" +
                            std::string(requests[i].session.id.value_or("-")) + "/" +
                            std::string(requests[i].session.context.bytes()));
            answers[i] = ScriptedShard::number(i + 1);
        }
    };
    RawPeer& peer = connect();
    call(peer, CallType::allocate, 7, row("boats", "a", context) + row("autos", "b"));
    call(peer, CallType::sweep, 8, std::string(100, '\xff'));
    let_go();
    EXPECT_THAT(asked, ElementsAre("boats/a/" + context, "autos/b/"));

    const auto frames = peer.take_frames();
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].head.call, 8u) << "answers overtake each other";
    EXPECT_EQ(frames[1].head.call, 7u);
    EXPECT_EQ(frames[1].head.type, CallType::allocate);
    ASSERT_EQ(frames[1].payload.size(), 2 * AnswerRow::kBytes);
    Allocation answer;
    ASSERT_EQ(AnswerRow::decode(frames[1].payload.data() + AnswerRow::kBytes, answer),
              AnswerRow::Kind::answered);
    EXPECT_EQ(answer.number, ScriptedShard::number(2).number);
    EXPECT_EQ(service->stats().rows, 2u);
    EXPECT_EQ(own.allocate_calls, 1u);
}

TEST_F(PeerServiceTest, RowsOfUnknownPoolsAreToldApart) {
    RawPeer& peer = connect();
    call(peer, CallType::allocate, 1, row("trains", "a") + row("autos", "b") + row("", "c"));
    auto frames = peer.take_frames();
    ASSERT_EQ(frames.size(), 1u);
    std::vector<AnswerRow::Kind> kinds;
    Allocation answer;
    for (std::size_t at = 0; at < frames[0].payload.size(); at += AnswerRow::kBytes) {
        kinds.push_back(AnswerRow::decode(frames[0].payload.data() + at, answer));
    }
    using Kind = AnswerRow::Kind;
    EXPECT_THAT(kinds, ElementsAre(Kind::unknown_pool, Kind::answered, Kind::unknown_pool));
    EXPECT_EQ(answer.number, ScriptedShard::number(1).number);

    catalog.remove(*catalog.find("autos"));
    call(peer, CallType::allocate, 2, row("autos", "b"));
    EXPECT_THAT(answers(peer), ElementsAre("2"));
    EXPECT_EQ(own.allocate_calls, 1u) << "where no pool is known nothing is asked";
}

TEST_F(PeerServiceTest, ACallThatCannotBeReadFailsAndChangesNothing) {
    RawPeer& peer = connect();
    call(peer, CallType::allocate, 1, row("autos", "a") + "torn");
    call(peer, CallType::figures, 2, "torn");
    call(peer, CallType::report, 3);
    EXPECT_THAT(answers(peer), ElementsAre("1 invalid: a row of the call can't be read",
                                           "2 invalid: the call can't be read", "3"));
    EXPECT_EQ(own.allocate_calls, 0u);
}

// As after a hang of this process: who asked has long been answered otherwise, and a number that he
// is not told of would be lost to others.
TEST_F(PeerServiceTest, ACallThatIsReadTooLateIsNotCarriedOut) {
    RawPeer& peer = connect();
    call(peer, CallType::allocate, 1, in(milliseconds(0)), row("autos", "a"));
    call(peer, CallType::allocate, 2, Deadline::never(), row("autos", "a"));
    EXPECT_THAT(answers(peer), ElementsAre("1 timeout: the call came too late", "2"));
    EXPECT_EQ(own.allocate_calls, 1u);
}

// ---------------------------------------------------------------------------------------------
// The catalog

TEST_F(PeerServiceTest, TheCatalogIsBroughtUpToDateBeforeEachCall) {
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    call(peer, CallType::allocate, 2, row("autos", "a"));
    ASSERT_EQ(caught_up.size(), 2u);
    EXPECT_EQ(caught_up[1].time(), in(milliseconds(50)).time());
    catch_up = Error{ErrorCode::unavailable, "the pools can't be read"};
    call(peer, CallType::allocate, 3, row("autos", "a"));
    EXPECT_THAT(answers(peer), ElementsAre("1", "2", "3 unavailable: the pools can't be read"));
    EXPECT_EQ(own.allocate_calls, 1u);
}

TEST_F(PeerServiceTest, ReleasesNameThePoolByItsId) {
    std::string released;
    own.on_release = [&](ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline) -> Result<void> {
        released = catalog.at(pool).id + " " + number.e164() + " " + std::string(*session.id);
        return {};
    };
    const auto release = [&](std::string_view pool) {
        std::string payload;
        append_value(
            payload,
            ReleaseCall{pool, ringpool::PhoneNumber::from_digits(12015550100), "v-81", {}});
        return payload;
    };
    RawPeer& peer = connect();
    call(peer, CallType::release, 1, release("boats"));
    call(peer, CallType::release, 2, release("trains"));
    EXPECT_EQ(released, "boats +12015550100 v-81");
    EXPECT_THAT(answers(peer), ElementsAre("1", "2 not_found: there is no such pool"));
}

// ---------------------------------------------------------------------------------------------
// Bounds

TEST_F(PeerServiceTest, NoMoreCallsAreReadThanMayBeInWork) {
    make({.max_calls_per_connection = 2});
    hold_reports();
    RawPeer& peer = connect();
    RawPeer& other = connect();
    for (std::uint64_t id = 1; id <= 5; ++id) call(peer, CallType::report, id);
    EXPECT_EQ(reports, 2u);
    call(other, CallType::report, 9);
    EXPECT_EQ(reports, 3u) << "others are not held up";
    let_go();
    EXPECT_EQ(reports, 6u);
    EXPECT_THAT(answers(peer), ElementsAre("1", "2", "3", "4", "5"));
}

TEST_F(PeerServiceTest, AClientThatReadsNoAnswersIsReadNoMore) {
    make({.high_water_bytes = 1000});
    std::size_t calls = 0;
    own.on_report = [&](Deadline) -> Result<std::string> {
        ++calls;
        return std::string(100'000, 'x');
    };
    RawPeer& peer = connect();
    constexpr std::size_t kCalls = 100;
    for (std::uint64_t id = 1; id <= kCalls; ++id) call(peer, CallType::report, id);
    EXPECT_LT(calls, kCalls / 2);
    std::size_t answered = 0;
    while (answered < kCalls) {
        answered += answers(peer).size();
        settle();
    }
    EXPECT_EQ(calls, kCalls);
}

TEST_F(PeerServiceTest, WithoutAFiberACallIsRefused) {
    make({.max_calls_per_connection = 1000});
    hold_reports();
    RawPeer& peer = connect();
    for (std::uint64_t id = 1; id <= 65; ++id) call(peer, CallType::report, id);
    EXPECT_THAT(answers(peer),
                ElementsAre("65 unavailable: too many requests are in flight there"));
    EXPECT_EQ(service->stats().refused, 1u);
    let_go();
    EXPECT_EQ(answers(peer).size(), 64u);
}

TEST_F(PeerServiceTest, OneConnectionTooManyIsClosed) {
    make({.max_connections = 1});
    RawPeer& first = connect();
    EXPECT_TRUE(connect().at_end());
    call(first, CallType::report, 1);
    EXPECT_THAT(answers(first), ElementsAre("1"));
    first.hang_up();
    settle();
    EXPECT_FALSE(connect().at_end());
}

TEST_F(PeerServiceTest, AnAnswerThatIsTooLargeFails) {
    make({.frames = {.max_payload_bytes = 100}});
    own.on_report = [](Deadline) -> Result<std::string> { return std::string(1000, 'x'); };
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    EXPECT_THAT(answers(peer), ElementsAre(HasSubstr("1 invalid: ")));
}

TEST_F(PeerServiceTest, WhatIsAskedOfAPoolIsBounded) {
    std::size_t numbers = 0;
    std::size_t holders = 0;
    own.on_numbers = [&](std::string_view, std::size_t, std::size_t max) {
        numbers = max;
        return ringpool::NumberPage();
    };
    own.on_holders = [&](ringpool::PhoneNumber, std::optional<WallTime>, std::size_t max,
                         Deadline) {
        holders = max;
        return HoldersFound();
    };
    RawPeer& peer = connect();
    std::string payload;
    append_value(payload, NumbersCall{"autos", 0, ~std::uint64_t{0}});
    call(peer, CallType::numbers, 1, payload);
    payload.clear();
    append_value(payload, HoldersCall{{}, std::nullopt, ~std::uint64_t{0}});
    call(peer, CallType::holders, 2, payload);
    EXPECT_THAT(answers(peer), ElementsAre("1", "2"));
    EXPECT_EQ(numbers, 65'536u);
    EXPECT_EQ(holders, 65'536u);
}

// ---------------------------------------------------------------------------------------------
// What goes wrong

TEST_F(PeerServiceTest, AnExceptionIsReportedAndAnsweredWithItsHandle) {
    own.on_report = [](Deadline) -> Result<std::string> { throw std::runtime_error("a bug"); };
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    EXPECT_THAT(answers(peer), ElementsAre("1 unavailable: refer to error handle 1 of that shard"));
    EXPECT_THAT(log.lines, ElementsAre(HasSubstr("a bug")));
}

TEST_F(PeerServiceTest, WhatMakesNoSenseEndsTheConnection) {
    RawPeer& answering = connect();
    answering.answer({.call = 1, .type = CallType::report}, "?");
    settle();
    EXPECT_TRUE(answering.at_end());
    RawPeer& shouting = connect();
    shouting.write(std::string(1000, '\xff'));
    settle();
    EXPECT_TRUE(shouting.at_end());
    EXPECT_EQ(service->stats().connections, 0u);
    EXPECT_EQ(log.lines.size(), 2u) << "and is told";
}

TEST_F(PeerServiceTest, AnotherVersionIsRefusedAndTold) {
    EXPECT_TRUE(connect(std::string("RMSH\2\0\0\0", 8)).at_end());
    EXPECT_TRUE(connect(std::string("RMSH\2\0\0\0", 8)).at_end());
    EXPECT_THAT(log.lines,
                ElementsAre(HasSubstr("another shard: the other shard speaks version 2")))
        << "once";
}

TEST_F(PeerServiceTest, ACallGoesOnWithoutItsConnection) {
    hold_reports();
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    call(peer, CallType::report, 2);
    peer.hang_up();
    settle();
    EXPECT_EQ(service->stats().connections, 0u);
    EXPECT_EQ(service->stats().calls_in_work, 2u);
    let_go();
    EXPECT_EQ(service->stats().calls_in_work, 0u);
    EXPECT_EQ(service->stats().dropped, 2u);
    RawPeer& next = connect();
    call(next, CallType::report, 3);
    EXPECT_THAT(answers(next), ElementsAre("3"));
}

// ---------------------------------------------------------------------------------------------
// Draining

struct PeerServiceDrain : PeerServiceTest {
    void drain(Deadline deadline = {}) {
        spawn([this, deadline] { drained = service->drain(deadline); });
        settle();
    }
    std::optional<bool> drained;
};

TEST_F(PeerServiceDrain, IsOverAtOnceWhereNothingIsInWork) {
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    drain();
    EXPECT_EQ(drained, true);
    EXPECT_THAT(answers(peer), ElementsAre("1"));
    EXPECT_TRUE(peer.at_end());
    EXPECT_TRUE(connect().at_end()) << "nobody is let in any more";
    EXPECT_THAT(log.lines, IsEmpty());
}

TEST_F(PeerServiceDrain, WaitsForWhatIsInWork) {
    hold_reports();
    RawPeer& busy = connect();
    RawPeer& idle = connect();
    RawPeer& gone = connect();
    call(busy, CallType::report, 1);
    call(gone, CallType::report, 2);
    gone.hang_up();
    drain(in(milliseconds(1000)));
    EXPECT_TRUE(idle.at_end());
    EXPECT_FALSE(busy.at_end());
    call(busy, CallType::report, 3);
    EXPECT_EQ(reports, 2u) << "no more are read";
    EXPECT_FALSE(drained);
    let_go();
    EXPECT_EQ(drained, true);
    EXPECT_THAT(answers(busy), ElementsAre("1"));
    EXPECT_TRUE(busy.at_end());
}

TEST_F(PeerServiceDrain, EndsAtItsDeadline) {
    hold_reports();
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    drain(in(milliseconds(100)));
    advance(milliseconds(99));
    EXPECT_FALSE(drained);
    advance(milliseconds(1));
    EXPECT_EQ(drained, false);
    EXPECT_TRUE(peer.at_end());
    EXPECT_EQ(service->stats().calls_in_work, 1u);
    let_go();
    drain();
    EXPECT_EQ(drained, true);
}

TEST_F(PeerServiceDrain, AClientThatDoesNotReadItsAnswerIsWaitedForNoLonger) {
    own.on_report = [](Deadline) -> Result<std::string> { return std::string(1'000'000, 'x'); };
    RawPeer& peer = connect();
    call(peer, CallType::report, 1);
    drain(in(milliseconds(100)));
    EXPECT_FALSE(drained);
    advance(milliseconds(100));
    EXPECT_EQ(drained, true) << "nothing is in work";
    EXPECT_EQ(service->stats().connections, 0u);
}

}  // namespace
}  // namespace ringmaster::shard
