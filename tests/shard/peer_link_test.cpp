#include "ringmaster/shard/peer_link.hpp"

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

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Keeps what it was told.
struct TestCall final : PeerLink::Call {
    bool answered(const FrameHead& head, std::string_view payload) override {
        if (payload == "nonsense") return false;
        answer = head.failed ? "failed: " + decode_error(payload).message : std::string(payload);
        return true;
    }
    void lost(const Error& why) override { error = why; }

    std::optional<std::string> answer;
    std::optional<Error> error;
};

struct PeerLinkTest : ::testing::Test, PeerRuntime {
    PeerLinkTest() { make(); }

    void make(PeerLinkOptions options = {}) {
        options.peer = "shard 3";
        link = std::make_unique<PeerLink>(reactor, log, options, [this]() -> Result<int> {
            ++attempts;
            if (refuse) return Error{ErrorCode::closed, "nobody listens"};
            const auto [ours, theirs] = socket_pair(socket_type);
            peers.emplace_back(theirs);
            return ours;
        });
    }
    /// The other side of the latest connection, which greets.
    RawPeer& greeting_peer() {
        peers.back().write(greeting());
        settle();
        return peers.back();
    }
    Result<void> send(TestCall& call, std::string_view payload = "?", Deadline deadline = {}) {
        Result<void> sent;
        reactor.enter([&] { sent = link->send(call, CallType::report, deadline, payload); });
        settle();
        return sent;
    }

    int socket_type = SOCK_STREAM;
    bool refuse = false;
    int attempts = 0;
    std::deque<RawPeer> peers;
    std::unique_ptr<PeerLink> link;
};

TEST_F(PeerLinkTest, AnswersMayOvertakeEachOther) {
    TestCall first;
    TestCall second;
    ASSERT_TRUE(send(first, "one"));
    ASSERT_TRUE(send(second, "two"));
    RawPeer& peer = greeting_peer();
    const auto frames = peer.take_frames();
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_TRUE(peer.was_greeted());
    EXPECT_EQ(frames[0].payload, "one");
    EXPECT_EQ(frames[1].payload, "two");
    EXPECT_EQ(link->stats().under_way, 2u);

    peer.answer(frames[1].head, "2");
    settle();
    EXPECT_EQ(second.answer, "2");
    EXPECT_FALSE(first.answer);
    peer.answer(frames[0].head, "1");
    settle();
    EXPECT_EQ(first.answer, "1");
    EXPECT_EQ(link->stats().under_way, 0u);
    EXPECT_EQ(link->stats().calls, 2u);
    EXPECT_EQ(attempts, 1);
}

// Sockets that keep writes apart show how many there were.
TEST_F(PeerLinkTest, WhatIsSentInOneTurnLeavesInOneWrite) {
    socket_type = SOCK_SEQPACKET;
    TestCall calls[3];
    reactor.enter([&] {
        for (TestCall& call : calls) {
            EXPECT_TRUE(link->send(call, CallType::report, {}, "?"));
        }
    });
    settle();
    EXPECT_EQ(peers.back().take_frames().size(), 3u);
    EXPECT_EQ(peers.back().reads(), 1u);
}

TEST_F(PeerLinkTest, TellsTheOtherSideUntilWhenItWaits) {
    TestCall calls[2];
    const Deadline soon = in(milliseconds(50));
    ASSERT_TRUE(send(calls[0]));
    ASSERT_TRUE(send(calls[1], "?", soon));
    std::vector<SteadyTime> deadlines;
    for (const auto& frame : peers.back().take_frames()) {
        deadlines.push_back(frame.head.deadline().time());
    }
    EXPECT_THAT(deadlines, ElementsAre(Deadline::never().time(), soon.time()));
}

TEST_F(PeerLinkTest, ALateAnswerIsDropped) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    const auto frames = peer.take_frames();
    call.time_out();
    EXPECT_EQ(link->stats().timeouts, 1u);

    // The next call has the same place.
    TestCall next;
    ASSERT_TRUE(send(next));
    peer.answer(frames[0].head, "late");
    settle();
    EXPECT_FALSE(call.answer);
    EXPECT_FALSE(next.answer);
    EXPECT_EQ(link->stats().late_answers, 1u);

    peer.answer(peer.take_frames()[0].head, "in time");
    settle();
    EXPECT_EQ(next.answer, "in time");
    EXPECT_EQ(attempts, 1) << "the connection is kept";
}

TEST_F(PeerLinkTest, ACallThatIsDestroyedWaitsNoMore) {
    {
        TestCall call;
        ASSERT_TRUE(send(call));
        EXPECT_EQ(link->stats().under_way, 1u);
    }
    EXPECT_EQ(link->stats().under_way, 0u);
    EXPECT_EQ(link->stats().timeouts, 0u);
    RawPeer& peer = greeting_peer();
    peer.answer(peer.take_frames()[0].head, "late");
    settle();
    EXPECT_EQ(link->stats().late_answers, 1u);
}

TEST_F(PeerLinkTest, AnswersToCallsThatNobodyMadeAreDropped) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    for (const std::uint64_t id : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 20}) {
        peer.answer({.call = id, .type = CallType::report}, "?");
    }
    settle();
    EXPECT_FALSE(call.answer);
    EXPECT_FALSE(call.error);
    EXPECT_EQ(link->stats().late_answers, 3u);
}

TEST_F(PeerLinkTest, AnswersMayComeInAnyPieces) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = peers.back();
    FrameHead head = peer.take_frames()[0].head;
    head.answer = true;
    head.payload_bytes = 3;
    std::string bytes = greeting() + std::string(FrameHead::kBytes, '\0') + "yes";
    head.encode(bytes.data() + kGreetingBytes);
    for (const char c : bytes) {
        EXPECT_FALSE(call.answer);
        peer.write({&c, 1});
        settle();
    }
    EXPECT_EQ(call.answer, "yes");
}

TEST_F(PeerLinkTest, AnAnswerMayBeLargerThanAnyBuffer) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    FrameHead head = peer.take_frames()[0].head;
    head.answer = true;
    const std::string payload(1'000'000, 'x');
    head.payload_bytes = static_cast<std::uint32_t>(payload.size());
    std::string bytes(FrameHead::kBytes, '\0');
    head.encode(bytes.data());
    bytes += payload;
    for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
        ASSERT_TRUE(peer.write(std::string_view(bytes).substr(at, 50'000)));
        settle();
    }
    EXPECT_EQ(call.answer, payload);

    // And what follows it is read as ever.
    TestCall next;
    ASSERT_TRUE(send(next));
    peer.answer(peer.take_frames()[0].head, "small");
    settle();
    EXPECT_EQ(next.answer, "small");
}

TEST_F(PeerLinkTest, AFailedAnswerIsAnAnswer) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    FrameHead head = peer.take_frames()[0].head;
    head.failed = true;
    std::string payload;
    append_error(payload, {ErrorCode::not_found, "no such pool"});
    peer.answer(head, payload);
    settle();
    EXPECT_EQ(call.answer, "failed: no such pool");
}

TEST_F(PeerLinkTest, AllCallsAreLostWithTheConnection) {
    TestCall calls[2];
    ASSERT_TRUE(send(calls[0]));
    ASSERT_TRUE(send(calls[1]));
    greeting_peer().hang_up();
    settle();
    for (const TestCall& call : calls) {
        ASSERT_TRUE(call.error);
        EXPECT_EQ(call.error->code, ErrorCode::closed);
        EXPECT_THAT(call.error->message, HasSubstr("shard 3"));
    }
    EXPECT_EQ(link->stats().under_way, 0u);

    // The next call finds who has taken its place.
    TestCall next;
    ASSERT_TRUE(send(next));
    EXPECT_EQ(link->stats().connections, 2u);
    RawPeer& peer = greeting_peer();
    peer.answer(peer.take_frames()[0].head, "back again");
    settle();
    EXPECT_EQ(next.answer, "back again");
}

TEST_F(PeerLinkTest, AConnectionThatEndsWhileNobodyWaitsIsMadeAnew) {
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    peer.answer(peer.take_frames()[0].head, "1");
    settle();
    peer.hang_up();
    settle();
    TestCall next;
    EXPECT_TRUE(send(next));
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(greeting_peer().take_frames().size(), 1u);
}

TEST_F(PeerLinkTest, WhereNobodyListensCallsFailAtOnceAndItIsNotTriedOverAndOver) {
    refuse = true;
    TestCall call;
    for (int i = 0; i < 3; ++i) {
        const auto sent = send(call);
        ASSERT_FALSE(sent);
        EXPECT_EQ(sent.error().code, ErrorCode::closed);
        EXPECT_THAT(sent.error().message, HasSubstr("shard 3: nobody listens"));
    }
    EXPECT_EQ(attempts, 1);
    advance(milliseconds(5));
    EXPECT_FALSE(send(call));
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(link->stats().failures, 2u);
    EXPECT_EQ(link->stats().refused, 4u);
    EXPECT_EQ(log.lines.size(), 1u) << "and is told once";

    refuse = false;
    advance(milliseconds(5));
    EXPECT_TRUE(send(call));
    advance(std::chrono::minutes(1));
    peers.back().hang_up();
    settle();
    EXPECT_EQ(log.lines.size(), 2u);
}

// A peer that accepts and goes would otherwise be connected to with every single call.
TEST_F(PeerLinkTest, APeerThatHangsUpBeforeItGreetsIsAsGoodAsNone) {
    TestCall call;
    ASSERT_TRUE(send(call));
    peers.back().hang_up();
    settle();
    ASSERT_TRUE(call.error);
    EXPECT_EQ(call.error->code, ErrorCode::closed);
    EXPECT_FALSE(send(call));
    EXPECT_EQ(attempts, 1);
    advance(milliseconds(5));
    EXPECT_TRUE(send(call));
    EXPECT_EQ(attempts, 2);
}

TEST_F(PeerLinkTest, AnotherVersionIsRefusedAndTold) {
    TestCall call;
    ASSERT_TRUE(send(call));
    peers.back().write(std::string("RMSH\2\0\0\0", 8));
    settle();
    ASSERT_TRUE(call.error);
    EXPECT_EQ(call.error->code, ErrorCode::closed);
    EXPECT_THAT(call.error->message, HasSubstr("version 2"));
    EXPECT_TRUE(peers.back().at_end());
    EXPECT_THAT(log.lines, ElementsAre(HasSubstr("shard 3: the other shard speaks version 2")));
}

TEST_F(PeerLinkTest, WhatMakesNoSenseEndsTheConnection) {
    const FrameHead no_answer{.type = CallType::report};
    std::string torn(FrameHead::kBytes, '\xff');
    for (int i = 0; i < 3; ++i) {
        TestCall call;
        ASSERT_TRUE(send(call));
        RawPeer& peer = greeting_peer();
        const auto frames = peer.take_frames();
        if (i == 0) peer.answer(frames[0].head, "nonsense");
        if (i == 1) peer.write_frame(no_answer, "?");
        if (i == 2) peer.write(torn);
        settle();
        EXPECT_FALSE(call.answer);
        ASSERT_TRUE(call.error) << i;
        EXPECT_EQ(call.error->code, ErrorCode::closed);
        EXPECT_TRUE(peer.at_end());
        EXPECT_FALSE(send(call)) << "as if nobody were there";
        advance(milliseconds(5));
    }
    EXPECT_THAT(log.lines, ElementsAre(HasSubstr("shard 3: the other shard has sent what makes no"),
                                       HasSubstr("shard 3: the other shard has sent what is no")));
}

TEST_F(PeerLinkTest, AFrameThatIsTooLargeIsNotWaitedFor) {
    make({.frames = {.max_payload_bytes = 100, .max_numbers_bytes = 100}});
    TestCall call;
    ASSERT_TRUE(send(call));
    RawPeer& peer = greeting_peer();
    FrameHead head = peer.take_frames()[0].head;
    head.answer = true;
    head.payload_bytes = 101;
    std::string bytes(FrameHead::kBytes, '\0');
    head.encode(bytes.data());
    peer.write(bytes);
    settle();
    EXPECT_TRUE(call.error);
}

TEST_F(PeerLinkTest, APayloadThatIsTooLargeIsNotSent) {
    make({.frames = {.max_payload_bytes = 100}});
    TestCall call;
    const auto sent = send(call, std::string(101, 'x'));
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::invalid);
    EXPECT_THAT(sent.error().message, HasSubstr("at most 100"));
    EXPECT_TRUE(send(call, std::string(100, 'x')));
    EXPECT_EQ(peers.back().take_frames().size(), 1u);
}

TEST_F(PeerLinkTest, OneCallTooManyIsRefused) {
    make({.max_calls = 2});
    TestCall calls[3];
    ASSERT_TRUE(send(calls[0]));
    ASSERT_TRUE(send(calls[1]));
    const auto sent = send(calls[2]);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::unavailable);
    calls[0].leave();
    EXPECT_TRUE(send(calls[2]));
}

TEST_F(PeerLinkTest, NoMoreIsTakenForAPeerThatDoesNotRead) {
    make({.max_unsent_bytes = 1000});
    const std::string much(1'000'000, 'x');  // more than the kernel takes
    TestCall calls[3];
    ASSERT_TRUE(send(calls[0], much));
    const auto sent = send(calls[1]);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::unavailable);
    EXPECT_THAT(sent.error().message, HasSubstr("too many bytes are unsent to shard 3"));

    std::vector<RawPeer::Frame> frames;
    while (frames.empty()) {
        frames = peers.back().take_frames();
        settle();
    }
    EXPECT_EQ(frames[0].payload, much) << "what was taken arrives";
    EXPECT_TRUE(send(calls[2]));
}

TEST_F(PeerLinkTest, IsDestroyedWithItsConnectionOpen) {
    {
        TestCall call;
        ASSERT_TRUE(send(call));
        greeting_peer();
    }
    link.reset();
    settle();
    EXPECT_TRUE(peers.back().at_end());
}

TEST_F(PeerLinkTest, ConnectsToUnixSockets) {
    const std::string path = "unix:/tmp/ringmaster-peer-link-test-" + std::to_string(::getpid());
    const auto endpoint = net::parse_endpoint(path);
    ASSERT_TRUE(endpoint);
    const auto nobody = connect_to(*endpoint)();
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, ErrorCode::closed);
    EXPECT_THAT(nobody.error().message, HasSubstr(path));

    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listener, endpoint->data(), static_cast<socklen_t>(endpoint->size())), 0);
    ASSERT_EQ(::listen(listener, 0), 0);
    const auto first = connect_to(*endpoint)();
    EXPECT_TRUE(first);
    // The queue of a shard that accepts no more is full some time; that is no waiting either.
    const auto second = connect_to(*endpoint)();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::unavailable);
    ::close(*first);
    ::close(listener);
    ::unlink(path.substr(5).c_str());
}

}  // namespace
}  // namespace ringmaster::shard
