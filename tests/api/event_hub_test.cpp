#include "ringmaster/api/event_hub.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/fake_event_source.hpp"
#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using ringpool::Event;
using ringpool::EventPosition;
using ringpool::EventPositions;
using ringpool::EventType;
using ringpool::EventTypes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

constexpr EventTypes kUsual{EventType::allocation, EventType::overflow, EventType::release};

TEST(EventData, TellsWhatIsKnown) {
    Event event;
    event.type = EventType::allocation;
    event.time = WallTime(1'795'280'400'250ms);
    event.pool_id = "autos";
    event.number = ringpool::PhoneNumber::from_digits(18665550142);
    event.session_id = "v\n\"81";
    event.context = std::string("\1\1\0nv", 5);
    event.expires_at = event.time + 30min;
    const auto data = [&] {
        std::string out;
        append_event_data(out, event);
        return out;
    };
    EXPECT_EQ(
        data(),
        R"({"time":"2026-11-21T17:00:00.250Z","pool":"autos","number":"+18665550142",)"
        R"("session":"v\n\"81","context":{"n":"v"},"expires_at":"2026-11-21T17:30:00.250Z"})");
    event.type = EventType::overflow;
    event.session_id.reset();
    event.context.clear();
    event.expires_at.reset();
    event.reason = ringpool::OverflowReason::owner_slow;
    EXPECT_EQ(data(),
              R"({"time":"2026-11-21T17:00:00.250Z","pool":"autos","number":"+18665550142",)"
              R"("context":{},"reason":"owner_slow"})");
    event.number = {};
    event.type = EventType::release;
    event.erased = true;
    EXPECT_EQ(data(), R"({"time":"2026-11-21T17:00:00.250Z","pool":"autos","erased":true})");
    event.pool_id.clear();
    event.type = EventType::touch;
    event.erased = false;
    EXPECT_EQ(data(), R"({"time":"2026-11-21T17:00:00.250Z"})");
    event = ringpool::lost_events({EventType::overflow}, 7, {}, {});
    EXPECT_EQ(data(), R"({"count":7,"types":"overflow"})");
    event = ringpool::lost_events({EventType::release, EventType::allocation}, {}, {}, {});
    EXPECT_EQ(data(), R"({"count":null,"types":"allocation,release"})");
}

class EventHubTest : public ::testing::Test {
  protected:
    /// Reads all the time, unless it is told to wait.
    struct Client {
        std::vector<std::string> texts;  ///< "allocation a", "lost {...}"
        std::vector<std::string> ids;
        std::string positions;
        bool waits = false;
        bool leaves = false;
        std::size_t max_bytes = 1 << 16;
    };

    EventHubTest() { runtime.settle(); }
    ~EventHubTest() override {
        for (auto& client : clients_) client->leaves = true;
        runtime.spawn([&] { hub().stop(); });
        settle();
        EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
    }

    EventHub& hub() {
        if (!hub_) {
            hub_ = std::make_unique<EventHub>(
                runtime.scheduler, std::vector<ringpool::EventSource*>{&first, &second}, options);
        }
        return *hub_;
    }
    Client& join(EventFilter filter = {kUsual, {}}, std::optional<EventPositions> after = {}) {
        Client& client = *clients_.emplace_back(std::make_unique<Client>());
        hub();
        runtime.spawn([this, &client, filter, after] {
            EventHub::Reader reader(hub(), filter, after);
            reader.await_sources();
            while (!client.leaves && !hub().is_stopped()) {
                std::string text;
                const auto soon = runtime.in(10ms);
                client.waits ? runtime.scheduler.sleep_until(soon.time())
                             : reader.read(text, client.max_bytes, soon);
                client.positions = to_text(reader.positions());
                add(client, text);
            }
        });
        settle();
        return client;
    }
    void settle(std::chrono::milliseconds time = 50ms) {
        for (; time > 0ms; time -= 5ms) runtime.advance(5ms);
    }
    static std::string between(std::string_view text, std::string_view begin,
                               std::string_view end) {
        const auto at = text.find(begin);
        if (at == text.npos) return {};
        text.remove_prefix(at + begin.size());
        return std::string(text.substr(0, text.find(end)));
    }
    static void add(Client& client, std::string_view text) {
        while (!text.empty()) {
            const auto end = text.find("\n\n");
            ASSERT_NE(end, text.npos) << text;
            const auto event = text.substr(0, end + 1);
            text.remove_prefix(end + 2);
            const std::string name = between(event, "event: ", "\n");
            client.ids.push_back(between(event, "id: ", "\n"));
            client.texts.push_back(name + " " +
                                   (name == "lost" ? between(event, "data: ", "\n")
                                                   : between(event, "\"session\":\"", "\"")));
        }
    }

    runtime::ManualScheduler runtime;
    FakeEventSource first{runtime.scheduler};
    FakeEventSource second{runtime.scheduler};
    EventHubOptions options;

  private:
    std::unique_ptr<EventHub> hub_;
    std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(EventHubTest, MergesWhatSourcesTell) {
    first.happens(EventType::allocation, "before");
    Client& client = join();
    first.happens(EventType::allocation, "a");
    settle();
    second.happens(EventType::release, "b");
    settle();
    first.happens(EventType::overflow, "c");
    settle();
    EXPECT_THAT(client.texts, ElementsAre("allocation a", "release b", "overflow c"));
    EXPECT_THAT(client.ids, ElementsAre("66-0,64-0", "66-0,65-0", "67-0,65-0"));
}

TEST_F(EventHubTest, AsksEachSourceOnceForAllReadersAndNoneForNobody) {
    hub();
    settle(1000ms);
    EXPECT_TRUE(first.asked.empty());
    std::vector<Client*> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(&join());
    first.asked.clear();
    for (int i = 0; i < 3; ++i) {
        first.happens(EventType::allocation, std::to_string(i));
        settle();
    }
    EXPECT_LE(first.asked.size(), 4u);
    for (Client* const client : clients) {
        EXPECT_THAT(client->texts, ElementsAre("allocation 0", "allocation 1", "allocation 2"));
        client->leaves = true;
    }
    settle(1000ms);
    EXPECT_EQ(hub().readers(), 0u);
    EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
    first.asked.clear();
    settle(1000ms);
    EXPECT_TRUE(first.asked.empty());
}

TEST_F(EventHubTest, TellsEachReaderWhatHeWants) {
    Client& releases = join({{EventType::release}, {}});
    Client& boats = join({kUsual, {"boats", "trains"}});
    first.happens(EventType::allocation, "a", "autos");
    first.happens(EventType::allocation, "b", "boats");
    second.happens(EventType::release, "c", "autos");
    second.happens(EventType::release, "d", "trains");
    settle();
    EXPECT_THAT(releases.texts, ElementsAre("release c", "release d"));
    EXPECT_THAT(boats.texts, ::testing::UnorderedElementsAre("allocation b", "release d"));
    // How far all was looked through is known nevertheless.
    first.happens(EventType::allocation, "e", "autos");
    settle();
    EXPECT_EQ(releases.positions, "67-0,66-0");
}

TEST_F(EventHubTest, ATypeThatNobodyWantedYetIsAskedForFromTheJoinOn) {
    Client& usual = join();
    Client& touches = join({{EventType::touch}, {}});
    // A question without touches is under way.
    first.happens(EventType::touch, "a");
    first.happens(EventType::allocation, "b");
    settle();
    EXPECT_THAT(touches.texts, ElementsAre("touch a"));
    EXPECT_THAT(usual.texts, ElementsAre("allocation b"));
    touches.leaves = true;
    settle(1000ms);
    EXPECT_FALSE(first.asked.back().types.has(EventType::touch));
}

TEST_F(EventHubTest, WhatWasMissedComesFirst) {
    for (const char* session : {"a", "b", "c", "d", "e"}) {
        first.happens(EventType::allocation, session);
    }
    second.happens(EventType::release, "x");
    first.batch_events = 2;
    const EventPositions after{EventPosition{101, 0}, EventPosition{100, 0}};
    // Nobody else reads: the sources are asked from there on.
    Client& alone = join({kUsual, {}}, after);
    settle();
    first.happens(EventType::allocation, "f");
    settle();
    const Texts expected{"allocation b", "allocation c", "allocation d",
                         "allocation e", "allocation f", "release x"};
    EXPECT_THAT(alone.texts, ::testing::UnorderedElementsAreArray(expected));
    // Others are ahead, whom that does not concern.
    Client& late = join({kUsual, {}}, after);
    first.happens(EventType::allocation, "g");
    settle();
    EXPECT_THAT(late.texts,
                ElementsAre("allocation b", "allocation c", "allocation d", "allocation e",
                            "allocation f", "release x", "allocation g"));
    EXPECT_EQ(alone.texts.size(), expected.size() + 1);
    EXPECT_EQ(late.ids.front(), "66-0,64-0");
    EXPECT_EQ(late.ids.back(), alone.ids.back());
}

TEST_F(EventHubTest, WhatHappensWhileAReaderCatchesUpIsToldOnce) {
    Client& quick = join();
    for (int i = 0; i < 20; ++i) first.happens(EventType::allocation, std::to_string(i));
    settle(200ms);
    first.batch_events = 1;
    Client& late = join({kUsual, {}}, EventPositions{EventPosition{100, 0}, EventPosition{100, 0}});
    for (int i = 20; i < 40; ++i) {
        first.happens(EventType::allocation, std::to_string(i));
        settle(5ms);
    }
    settle(500ms);
    EXPECT_EQ(late.texts.size(), 40u);
    EXPECT_EQ(late.texts, quick.texts);
}

TEST_F(EventHubTest, WhoKnowsMoreThanWasCollectedHereIsToldNothingTwice) {
    Client& client = join();
    first.happens(EventType::allocation, "a");
    runtime.settle();
    // While the hub pauses, somebody comes who was told of these elsewhere.
    first.happens(EventType::allocation, "b");
    first.happens(EventType::allocation, "c");
    Client& late = join({kUsual, {}}, EventPositions{EventPosition{102, 0}, EventPosition{100, 0}});
    settle();
    EXPECT_THAT(late.texts, ElementsAre("allocation c"));
    first.happens(EventType::allocation, "d");
    settle();
    EXPECT_THAT(late.texts, ElementsAre("allocation c", "allocation d"));
    EXPECT_THAT(client.texts,
                ElementsAre("allocation a", "allocation b", "allocation c", "allocation d"));
    EXPECT_EQ(late.ids.back(), client.ids.back());
}

TEST_F(EventHubTest, ASlowReaderIsToldHowManyHeMissed) {
    options.max_buffer_bytes = 4000;
    Client& quick = join();
    Client& slow = join({{EventType::allocation}, {}});
    slow.waits = true;
    settle();
    for (int i = 0; i < 40; ++i) {
        first.happens(EventType::allocation, std::to_string(i));
        first.happens(EventType::release, std::to_string(i));
        settle(10ms);
    }
    settle();
    EXPECT_EQ(quick.texts.size(), 80u);
    EXPECT_TRUE(slow.texts.empty());
    slow.waits = false;
    settle();
    ASSERT_GT(slow.texts.size(), 2u);
    EXPECT_EQ(slow.texts.front(),
              "lost {\"count\":" + std::to_string(40 - (slow.texts.size() - 1)) +
                  ",\"types\":\"allocation\"}");
    EXPECT_EQ(slow.ids.front(), "64-0,64-0") << "from where it could be read again";
    EXPECT_EQ(slow.texts.back(), "allocation 39");
    EXPECT_EQ(slow.ids.back(), quick.ids[78]);
}

TEST_F(EventHubTest, WhatASourceHasLostIsToldToWhomItConcerns) {
    Client& usual = join();
    Client& releases = join({{EventType::release}, {}});
    Client& boats = join({kUsual, {"boats"}});
    first.loses({EventType::overflow}, 7);
    second.loses(kUsual, 8);
    settle();
    EXPECT_THAT(usual.texts, ::testing::UnorderedElementsAre(
                                 R"(lost {"count":7,"types":"overflow"})",
                                 R"(lost {"count":8,"types":"allocation,overflow,release"})"));
    EXPECT_THAT(releases.texts, ElementsAre(R"(lost {"count":null,"types":"release"})"))
        << "of how many of these is not known";
    EXPECT_THAT(boats.texts, ::testing::Contains(R"(lost {"count":null,"types":"overflow"})"));
}

TEST_F(EventHubTest, ASilentSourceHoldsNobodyUp) {
    second.is_silent = true;
    Client& client = join();
    settle(EventHub::kTimeout + 10ms);
    first.happens(EventType::allocation, "a");
    settle();
    EXPECT_THAT(client.ids, ElementsAre("65-0,x"));
    // Somebody else knows where that source was.
    Client& late = join({kUsual, {}}, EventPositions{EventPosition{100, 0}, EventPosition{100, 0}});
    second.is_silent = false;
    second.happens(EventType::allocation, "b");
    settle(EventHub::kTimeout + EventHub::kPatience + EventHub::kRetryAfter + 100ms);
    EXPECT_THAT(client.texts, ElementsAre("allocation a", "allocation b"));
    EXPECT_THAT(late.texts, ElementsAre("allocation a", "allocation b"));
}

TEST_F(EventHubTest, OfASourceThatWasSilentSomeMayBeLost) {
    second.is_silent = true;
    Client& client = join();
    settle(EventHub::kTimeout + EventHub::kPatience + 10ms);
    second.happens(EventType::allocation, "nobody knows");
    second.is_silent = false;
    settle(EventHub::kTimeout);
    EXPECT_THAT(client.texts,
                ElementsAre(R"(lost {"count":null,"types":"allocation,overflow,release"})"));
    EXPECT_EQ(client.ids.back(), "64-0,65-0");
}

TEST_F(EventHubTest, AnIdThatDoesNotKnowOfASourceGoesOnNow) {
    Client& quick = join();
    first.happens(EventType::allocation, "a");
    second.happens(EventType::allocation, "b");
    settle();
    Client& client = join({kUsual, {}}, EventPositions{std::nullopt, EventPosition{100, 0}});
    EXPECT_THAT(client.texts,
                ElementsAre(R"(lost {"count":null,"types":"allocation,overflow,release"})",
                            "allocation b"));
    EXPECT_EQ(client.ids.back(), quick.ids.back());
}

TEST_F(EventHubTest, ASourceThatFailsIsAskedAgain) {
    Client& client = join();
    first.is_silent = true;
    settle(EventHub::kTimeout + EventHub::kPatience + 10ms);
    first.happens(EventType::allocation, "a");
    first.is_silent = false;
    settle(EventHub::kTimeout);
    EXPECT_THAT(client.texts, ElementsAre("allocation a"));
}

TEST_F(EventHubTest, EndsForAllWhenItIsStopped) {
    join();
    join();
    bool stopped = false;
    runtime.spawn([&] {
        hub().stop();
        stopped = true;
    });
    settle();
    EXPECT_TRUE(stopped);
    EXPECT_EQ(hub().readers(), 0u);
    EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
}

TEST_F(EventHubTest, KnowsWhenItIsFull) {
    options.max_readers = 2;
    EXPECT_FALSE(hub().is_full());
    Client& client = join();
    join();
    EXPECT_TRUE(hub().is_full());
    client.leaves = true;
    settle();
    EXPECT_FALSE(hub().is_full());
}

}  // namespace
}  // namespace ringmaster::api
