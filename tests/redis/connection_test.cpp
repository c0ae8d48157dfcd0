#include "ringmaster/redis/connection.hpp"

#include "ringmaster/redis/command.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scripted_server.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using runtime::ManualScheduler;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Outcome = Request::Outcome;

struct ConnectionTest : ::testing::Test {
    ~ConnectionTest() override {
        if (connection) connection->close();
        connection.reset();
        manual.settle();
        EXPECT_TRUE(manual.log.lines.empty()) << manual.log.lines.front();
    }

    /// Connects and logs in. Where that fails, `error` says why.
    void open(const Login& as = {.client_name = "me"}) {
        login = as;
        manual.spawn([this] {
            auto stream = server.accept(manual.in(milliseconds(1000)));
            auto opened = Connection::open(manual.scheduler, gate, *std::move(stream), login,
                                           options, counters, manual.in(milliseconds(100)));
            if (!opened) {
                error = opened.error();
                return;
            }
            connection = *std::move(opened);
            connection->on_end([this](const Error& why) { ended = why; });
        });
        manual.settle();
    }
    /// The same with a server that says nothing by itself.
    void open_silent() {
        open();
        ASSERT_TRUE(connection);
        server.answer = [](const std::string&) { return std::string(); };
        server.writes.clear();
    }
    std::string login_text(const std::string& answers, const Login& as) {
        server.answer = [answers, first = true](const std::string&) mutable {
            return std::exchange(first, false) ? answers : std::string();
        };
        error.reset();
        connection.reset();
        open(as);
        if (connection) {
            connection->close();
            connection.reset();
            return "ok";
        }
        if (!error) {
            manual.advance(milliseconds(100));
            manual.settle();
        }
        return std::string(to_string(error->code)) + ": " + error->message;
    }

    std::string bytes(std::initializer_list<std::string_view> words) {
        return std::string(Command(words).bytes());
    }
    static std::string text(Request& request) {
        switch (request.outcome()) {
            case Outcome::none: return "none";
            case Outcome::answered: return request.reply().text;
            case Outcome::lost: return request.maybe_sent() ? "lost" : "lost unsent";
            case Outcome::refused: return "refused: " + request.error().message;
            case Outcome::timed_out: return request.maybe_sent() ? "late" : "late unsent";
            case Outcome::withdrawn: return "withdrawn";
        }
        return "";
    }
    static std::vector<std::string> texts(Batch& batch) {
        std::vector<std::string> texts;
        for (Request& request : batch) texts.push_back(text(request));
        return texts;
    }
    /// Sends PING, as many times as the batch has requests.
    void send(Batch& batch, Deadline deadline = {}) {
        static const Command ping({"PING"});
        for (Request& request : batch) {
            request.command = ping.bytes();
            connection->send(request, deadline);
        }
    }

    ManualScheduler manual;
    ScriptedServer server{manual};
    ConnectionOptions options{.max_queued_bytes = 1000,
                              .max_pending = 8,
                              .ping_period = milliseconds(100),
                              .silence_timeout = milliseconds(50)};
    Login login;
    ConnectionCounters counters;
    runtime::Gate gate{manual.scheduler};
    std::optional<Error> error;
    std::optional<Error> ended;
    std::shared_ptr<Connection> connection;
};

TEST_F(ConnectionTest, LogsInWithOneWrite) {
    open({.user = "app", .password = "p w", .database = 3, .client_name = "me"});
    EXPECT_TRUE(connection);
    EXPECT_THAT(server.writes, ElementsAre(bytes({"AUTH", "app", "p w"}) + bytes({"SELECT", "3"}) +
                                           bytes({"CLIENT", "SETNAME", "me"})));
    server.writes.clear();
    connection->close();
    open({.password = "pw"});
    EXPECT_THAT(server.writes, ElementsAre(bytes({"AUTH", "pw"}) + bytes({"PING"})));
}

TEST_F(ConnectionTest, TellsWhoRefusesTheLoginFromWhoCanNotServeNow) {
    const Login app{.user = "app", .password = "SECRET", .database = 3, .client_name = "me"};
    EXPECT_EQ(login_text("+OK\r\n+OK\r\n+OK\r\n", app), "ok");
    EXPECT_EQ(login_text("-WRONGPASS invalid\r\n-NOAUTH a\r\n-NOAUTH b\r\n", app),
              "invalid: WRONGPASS invalid");
    EXPECT_EQ(login_text("+OK\r\n-ERR DB index is out of range\r\n+OK\r\n", app),
              "invalid: ERR DB index is out of range");
    EXPECT_EQ(login_text("+OK\r\n+OK\r\n-NOPERM no permission\r\n", app), "ok");
    EXPECT_EQ(login_text("-NOAUTH Authentication required.\r\n", {.client_name = "me"}),
              "invalid: NOAUTH Authentication required.");
    EXPECT_EQ(login_text("-DENIED protected mode\r\n", {}), "invalid: DENIED protected mode");
    EXPECT_EQ(login_text("-LOADING Redis is loading\r\n", {}),
              "unavailable: LOADING Redis is loading");
    EXPECT_EQ(login_text("-ERR max number of clients reached\r\n", app),
              "unavailable: ERR max number of clients reached");
    EXPECT_EQ(login_text("HTTP/1.1 400 Bad Request\r\n", app).substr(0, 26),
              "damaged: no reply of Redis");
    EXPECT_EQ(login_text("+OK\r\n", app), "timeout: the deadline passed while reading");
}

TEST_F(ConnectionTest, NeverRepeatsThePassword) {
    const Login app{.user = "app", .password = "SECRET"};
    for (const std::string_view answer :
         {"-ERR unknown command 'AUTH', with args beginning with: 'app' 'SECR\r\n",
          "-ERR what is SECRET and SECRET for?\r\n"}) {
        EXPECT_THAT(login_text(std::string(answer), app), Not(HasSubstr("SECR")));
    }
    EXPECT_EQ(login_text("-ERR what is SECRET for?\r\n", app), "invalid: ERR what is *** for?");
}

TEST_F(ConnectionTest, AServerThatHangsUpInTheMiddleOfTheLoginIsTold) {
    open();
    connection->close();
    connection.reset();
    server.answer = [&](const std::string&) -> std::string { return ""; };
    open();
    server.hang_up(1);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::closed);
}

TEST_F(ConnectionTest, WhatIsAskedInOneTurnLeavesInOneWriteAndAnswersComeInOrder) {
    open_silent();
    std::vector<std::string> answers;
    for (const char* const word : {"a", "b", "c"}) {
        manual.spawn([&, word] {
            const Command command({"ECHO", word});
            Batch batch(manual.scheduler, 1);
            batch[0].command = command.bytes();
            connection->send(batch[0], {});
            batch.wait({});
            answers.push_back(std::string(word) + "=" + batch[0].reply().text);
        });
    }
    manual.settle();
    EXPECT_THAT(server.writes,
                ElementsAre(bytes({"ECHO", "a"}) + bytes({"ECHO", "b"}) + bytes({"ECHO", "c"})));
    EXPECT_EQ(counters.writes, 1u);
    EXPECT_EQ(connection->pending(), 3u);
    server.say(0, "+1\r\n$1\r\n2\r\n+3\r\n", 1);
    EXPECT_THAT(answers, ElementsAre("a=1", "b=2", "c=3"));
    EXPECT_EQ(connection->pending(), 0u);
}

TEST_F(ConnectionTest, ARequestThatIsGivenUpLeavesItsPlaceInTheQueue) {
    open_silent();
    Batch late(manual.scheduler, 2);
    manual.spawn([&] {
        send(late, manual.in(milliseconds(10)));
        late.wait(manual.in(milliseconds(10)));
    });
    auto gone = std::make_unique<Batch>(manual.scheduler, 1);
    send(*gone);
    gone.reset();
    manual.settle();
    manual.advance(milliseconds(10));
    EXPECT_THAT(texts(late), ElementsAre("late", "late"));
    Batch next(manual.scheduler, 1);
    send(next);
    manual.settle();
    server.say(0, "+1\r\n+2\r\n");
    EXPECT_EQ(text(next[0]), "none");
    server.say(0, "+3\r\n+4\r\n");
    EXPECT_EQ(text(next[0]), "4");
    EXPECT_EQ(counters.tombstones, 3u);
}

TEST_F(ConnectionTest, WhatIsSentBeforeARequestHasItsAnswerDropped) {
    open_silent();
    const Command asking({"ASKING"});
    Batch batch(manual.scheduler, 2);
    batch[1].before = asking.bytes();
    send(batch);
    manual.settle();
    EXPECT_THAT(server.writes, ElementsAre(bytes({"PING"}) + bytes({"ASKING"}) + bytes({"PING"})));
    server.say(0, "+1\r\n+asked\r\n+2\r\n");
    EXPECT_THAT(texts(batch), ElementsAre("1", "2"));
    EXPECT_EQ(counters.tombstones, 0u);
}

TEST_F(ConnectionTest, NonsenseEndsItAndAllThatIsUnderWay) {
    open_silent();
    Batch batch(manual.scheduler, 3);
    send(batch);
    manual.settle();
    server.say(0, "+1\r\nnonsense\r\n+2\r\n");
    EXPECT_THAT(texts(batch), ElementsAre("1", "lost", "lost"));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, ErrorCode::damaged);
    EXPECT_FALSE(connection->is_open());
    Batch after(manual.scheduler, 1);
    send(after);
    EXPECT_EQ(text(after[0]), "lost unsent");
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 1u) << "only the server's";
}

TEST_F(ConnectionTest, AnAnswerThatNobodyAskedForEndsIt) {
    open_silent();
    Batch batch(manual.scheduler, 1);
    send(batch);
    manual.settle();
    server.say(0, "+1\r\n+2\r\n");
    EXPECT_EQ(text(batch[0]), "1");
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->message, "the server has answered what nobody asked");
}

TEST_F(ConnectionTest, OfWhatIsLostItIsKnownWhetherItMayHaveBeenSent) {
    server.capacity = 100;
    server.reads = true;
    open();
    server.answer = [](const std::string&) { return std::string(); };
    server.peers[0]->task.cancel("it does not read");
    manual.settle();
    const std::string long_word(200, 'x');
    const Command long_one({"ECHO", long_word});
    Batch first(manual.scheduler, 1);
    first[0].command = long_one.bytes();
    connection->send(first[0], {});
    manual.settle();  // half of it is in the stream
    Batch second(manual.scheduler, 1);
    send(second);
    manual.settle();
    Batch given_up(manual.scheduler, 1);
    manual.spawn([&] {
        send(given_up);
        given_up.wait(manual.in(milliseconds(1)));
    });
    manual.settle();
    manual.advance(milliseconds(1));
    EXPECT_EQ(text(given_up[0]), "late unsent");
    server.peers[0]->stream.reset();
    manual.settle();
    EXPECT_EQ(text(first[0]), "lost");
    EXPECT_EQ(text(second[0]), "lost unsent");
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->code, ErrorCode::closed);
}

TEST_F(ConnectionTest, TakesOnlySoManyRequestsAndSoManyBytes) {
    open_silent();
    Batch batch(manual.scheduler, 9);
    send(batch);
    EXPECT_EQ(text(batch[7]), "none");
    EXPECT_EQ(text(batch[8]), "refused: too many commands have no reply yet");
    manual.settle();
    server.say(0, "+1\r\n");
    const std::string word(977, 'x');
    const Command long_one({"ECHO", word});  // 999 bytes
    ASSERT_EQ(long_one.bytes().size(), 999u);
    Batch more(manual.scheduler, 2);
    more[0].command = more[1].command = long_one.bytes();
    connection->send(more[0], {});
    EXPECT_EQ(text(more[0]), "none");
    server.say(0, "+2\r\n");
    EXPECT_EQ(server.writes.back(), long_one.bytes());
    const std::string longer(979, 'x');
    const Command too_long({"ECHO", longer});
    more[1].command = too_long.bytes();
    connection->send(more[1], {});
    EXPECT_EQ(text(more[1]), "refused: too many bytes wait to be sent");
    connection->close();
}

TEST_F(ConnectionTest, AnIdleServerIsAskedWhetherItLives) {
    open_silent();
    server.answer = [](const std::string&) { return "+PONG\r\n"; };
    for (int i = 0; i < 99; ++i) manual.advance(milliseconds(1));
    EXPECT_THAT(server.writes, IsEmpty());
    for (int i = 0; i < 2; ++i) manual.advance(milliseconds(1));
    EXPECT_THAT(server.writes, ElementsAre(bytes({"PING"})));
    for (int i = 0; i < 300; ++i) manual.advance(milliseconds(1));
    EXPECT_EQ(server.writes.size(), 4u);
    EXPECT_EQ(counters.tombstones, 0u);
    EXPECT_FALSE(ended);

    server.answer = [](const std::string&) { return std::string(); };
    for (int i = 0; i < 300 && !ended; ++i) manual.advance(milliseconds(1));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->message, "no answer for 50 ms");
}

TEST_F(ConnectionTest, ItIsSilenceThatEndsItNotThatAnAnswerIsLong) {
    open_silent();
    Batch batch(manual.scheduler, 1);
    send(batch);
    manual.settle();
    server.say(0, "$1000\r\n");
    for (int i = 0; i < 100; ++i) {
        manual.advance(milliseconds(20));
        server.say(0, "0123456789");
    }
    server.say(0, "\r\n");
    EXPECT_EQ(text(batch[0]).size(), 1000u);
    EXPECT_FALSE(ended);
    send(batch);
    for (int i = 0; i < 49; ++i) manual.advance(milliseconds(1));
    EXPECT_FALSE(ended);
    for (int i = 0; i < 3; ++i) manual.advance(milliseconds(1));
    EXPECT_TRUE(ended);
    EXPECT_EQ(text(batch[0]), "lost");
}

TEST_F(ConnectionTest, MessagesGoToWhoListensAndTheRestToWhoAsked) {
    open_silent();
    std::vector<std::string> messages;
    connection->on_message([&](std::string_view payload) { messages.emplace_back(payload); });
    const Command subscribe({"SUBSCRIBE", "news"});
    Batch batch(manual.scheduler, 1);
    batch[0].command = subscribe.bytes();
    connection->send(batch[0], {});
    manual.settle();
    server.say(0,
               "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
               "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n");
    EXPECT_TRUE(batch[0].answered());
    Batch ping(manual.scheduler, 1);
    send(ping);
    manual.settle();
    server.say(0,
               "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    EXPECT_TRUE(ping[0].answered());
    EXPECT_THAT(messages, ElementsAre("one", "two"));
}

TEST_F(ConnectionTest, ClosingItTellsRequestsButNotWhoClosedIt) {
    open_silent();
    Batch batch(manual.scheduler, 1);
    send(batch);
    manual.settle();
    connection->close();
    EXPECT_EQ(text(batch[0]), "lost");
    connection->close();
    connection.reset();
    manual.settle();
    EXPECT_FALSE(ended);
    bool closed = false;
    manual.spawn([&] { closed = gate.close(); });
    manual.settle();
    EXPECT_TRUE(closed);
}

TEST(ConnectionWithoutFibers, IsNone) {
    ManualScheduler manual({.max_fibers = 4});
    ScriptedServer server(manual);
    ConnectionCounters counters;
    runtime::Gate gate(manual.scheduler);
    manual.spawn([&] { manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(1)); });
    std::optional<Result<std::shared_ptr<Connection>>> opened;
    manual.spawn([&] {
        opened = Connection::open(manual.scheduler, gate, *server.accept({}), {}, {}, counters, {});
    });
    manual.settle();
    ASSERT_TRUE(opened);
    ASSERT_FALSE(opened->ok());
    EXPECT_EQ(opened->error().code, ErrorCode::unavailable);
    manual.advance(milliseconds(1));
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u);
}

}  // namespace
}  // namespace ringmaster::redis
