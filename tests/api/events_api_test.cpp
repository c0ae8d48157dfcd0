#include "ringmaster/api/events_api.hpp"

#include "ringmaster/http/testing.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/admin_fixture.hpp"
#include "api/fake_event_source.hpp"
#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using ringpool::EventType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EventsApiTest : public ::testing::Test {
  protected:
    EventsApiTest() {
        api_.register_routes(router_);
        runtime_.settle();
    }
    ~EventsApiTest() override { stop(); }

    void stop() {
        runtime_.spawn([&] { api_.stop(); });
        settle();
        EXPECT_EQ(runtime_.scheduler.fibers_in_use(), 0u);
    }
    void settle(std::chrono::milliseconds time = 50ms) {
        for (; time > 0ms; time -= 5ms) runtime_.advance(5ms);
    }

    struct Stream {
        explicit Stream(http::Request asked) : request(std::move(asked)) {}
        http::Request request;
        http::PartsWriter writer;
        http::Response response;
        bool ended = false;
        std::string text() const {
            std::string all;
            for (const std::string& part : writer.parts) all += part;
            return all;
        }
    };
    Stream& open(std::string_view target, std::string_view headers = kAuthorization,
                 std::string_view method = "GET") {
        Stream& stream =
            *streams_.emplace_back(std::make_unique<Stream>(make_request(method, target, headers)));
        runtime_.spawn([this, &stream] {
            stream.response.attach(stream.writer);
            router_.handle(stream.request, stream.response);
            stream.ended = true;
        });
        settle();
        return stream;
    }
    std::string complaint(std::string_view target, std::string_view headers = kAuthorization) {
        Stream& stream = open(target, headers);
        EXPECT_TRUE(stream.ended);
        EXPECT_FALSE(stream.response.streaming());
        EXPECT_EQ(stream.response.status, 400) << target;
        constexpr std::string_view kBegin = R"({"error_class":"InvalidInput","message":")";
        EXPECT_TRUE(stream.response.body.starts_with(kBegin)) << stream.response.body;
        return stream.response.body.substr(kBegin.size(),
                                           stream.response.body.size() - kBegin.size() - 2);
    }

    runtime::ManualScheduler runtime_;
    FakeEventSource first_{runtime_.scheduler};
    FakeEventSource second_{runtime_.scheduler};
    ringpool::Catalog catalog_ = make_catalog();
    AdminAccess access_{kToken};
    EventsApi api_{access_,
                   catalog_,
                   runtime_.scheduler,
                   {&first_, &second_},
                   {.hub = {.max_readers = 2}, .ping = 1000ms}};
    http::Router router_;
    std::vector<std::unique_ptr<Stream>> streams_;
};

TEST_F(EventsApiTest, StreamsEvents) {
    Stream& stream = open("/events");
    EXPECT_EQ(stream.writer.status, 200);
    EXPECT_EQ(stream.response.content_type, "text/event-stream");
    EXPECT_THAT(stream.writer.fields, HasSubstr("Cache-Control: no-store"));
    EXPECT_EQ(stream.text(), "retry: 1000\n\n");
    first_.happens(EventType::allocation, "v-81");
    first_.happens(EventType::touch, "v-81");
    settle();
    EXPECT_EQ(stream.text(),
              "retry: 1000\n\n"
              "event: allocation\nid: 65-0,64-0\n"
              "data: {\"time\":\"1970-01-01T00:00:00.000Z\",\"pool\":\"autos\","
              "\"session\":\"v-81\",\"context\":{}}\n\n");
    EXPECT_FALSE(stream.ended);
    stop();
    EXPECT_TRUE(stream.ended);
}

TEST_F(EventsApiTest, PingsSayHowFarAllWasLookedThrough) {
    Stream& stream = open("/events?type=release");
    settle(900ms);
    first_.happens(EventType::allocation, "a");
    settle(30ms);
    EXPECT_EQ(stream.text(), "retry: 1000\n\n");
    settle(60ms);
    EXPECT_EQ(stream.text(), "retry: 1000\n\n: ping\nid: 65-0,64-0\n\n");
    settle(500ms);
    second_.happens(EventType::release, "b");
    settle(900ms);
    EXPECT_THAT(stream.writer.parts.back(), HasSubstr("event: release"));
}

TEST_F(EventsApiTest, Filters) {
    Stream& stream = open("/events?pool=boats&type=touch,release&pool=strict&type=overflow");
    first_.happens(EventType::allocation, "a", "boats");
    first_.happens(EventType::touch, "b", "boats");
    first_.happens(EventType::release, "c", "strict");
    first_.happens(EventType::overflow, "d", "strict");
    first_.happens(EventType::overflow, "e", "autos");
    settle();
    EXPECT_THAT(stream.text(), ::testing::Not(HasSubstr("\"a\"")));
    for (const char* session : {"\"b\"", "\"c\"", "\"d\""}) {
        EXPECT_THAT(stream.text(), HasSubstr(session));
    }
    EXPECT_THAT(stream.text(), ::testing::Not(HasSubstr("\"e\"")));
}

TEST_F(EventsApiTest, GoesOnWhereAReaderWas) {
    first_.happens(EventType::allocation, "a");
    first_.happens(EventType::allocation, "b");
    EXPECT_THAT(open("/events?after=65-0,64-0").text(), HasSubstr("\"b\""));
    const std::string headers = std::string(kAuthorization) + "Last-Event-ID: 66-0,64-0\r\n";
    // A browser asks again for the same address.
    Stream& stream = open("/events?after=65-0,64-0", headers);
    first_.happens(EventType::allocation, "c");
    settle();
    EXPECT_THAT(stream.text(), ::testing::Not(HasSubstr("\"b\"")));
    EXPECT_THAT(stream.text(), HasSubstr("\"c\""));
}

TEST_F(EventsApiTest, AnIdOfAnotherNumberOfShardsIsGoodEnough) {
    first_.happens(EventType::allocation, "a");
    second_.happens(EventType::allocation, "b");
    EXPECT_THAT(open("/events?after=64-0").text(), HasSubstr("\"b\""));
    EXPECT_THAT(open("/events?after=64-0,64-0,64-0").text(), HasSubstr("\"b\""));
}

TEST_F(EventsApiTest, RefusesWhatItDoesNotUnderstand) {
    EXPECT_EQ(complaint("/events?pool=planes"), "there is no pool 'planes'");
    EXPECT_EQ(complaint("/events?pool=autos&pool="), "there is no pool ''");
    EXPECT_EQ(complaint("/events?type="),
              "'type' is ''; expected some of allocation,touch,overflow,release");
    EXPECT_THAT(complaint("/events?type=lost"), HasSubstr("'type' is 'lost'"));
    EXPECT_THAT(complaint("/events?type=release,"), HasSubstr("'type' is 'release,'"));
    EXPECT_EQ(complaint("/events?after=now"), "'after' is 'now'; expected the id of an event");
    EXPECT_THAT(complaint("/events", std::string(kAuthorization) + "Last-Event-ID: 1\r\n"),
                HasSubstr("'Last-Event-ID' is '1'"));
    EXPECT_EQ(complaint("/events?x=1"), "'x' is no parameter of this");
    EXPECT_THAT(complaint("/events?pool=%"), HasSubstr("%"));
    EXPECT_TRUE(first_.asked.empty());
}

TEST_F(EventsApiTest, IsForTheAdministrator) {
    EXPECT_EQ(open("/events", "").response.status, 401);
    EXPECT_EQ(open("/events", "Authorization: Bearer no\r\n").response.status, 403);
}

TEST_F(EventsApiTest, HasABoundToReaders) {
    open("/events");
    open("/events");
    Stream& stream = open("/events");
    EXPECT_EQ(stream.response.status, 503);
    EXPECT_THAT(stream.response.extra_headers(), HasSubstr("Retry-After"));
    EXPECT_THAT(stream.response.body, HasSubstr("there are 2 readers of events already"));
}

TEST_F(EventsApiTest, HeadEndsWithTheHead) {
    Stream& stream = open("/events", kAuthorization, "HEAD");
    EXPECT_TRUE(stream.ended);
    EXPECT_EQ(stream.writer.status, 200);
}

TEST_F(EventsApiTest, NoneBeginsWhenItIsOver) {
    stop();
    EXPECT_EQ(open("/events").response.status, 503);
}

}  // namespace
}  // namespace ringmaster::api
