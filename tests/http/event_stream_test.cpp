#include "ringmaster/http/event_stream.hpp"

#include "ringmaster/http/testing.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

class EventStreamTest : public ::testing::Test {
  protected:
    EventStreamTest() { response_.attach(writer_); }
    std::string sent() {
        std::string all;
        for (const std::string& part : writer_.parts) all += part;
        return all;
    }
    PartsWriter writer_;
    Response response_;
};

TEST_F(EventStreamTest, SendsItsHeadAtOnce) {
    const EventStream events(response_);
    EXPECT_TRUE(response_.streaming());
    EXPECT_EQ(response_.content_type, "text/event-stream");
    EXPECT_EQ(writer_.status, 200);
    EXPECT_EQ(writer_.fields, "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
    EXPECT_EQ(sent(), "");
}

TEST_F(EventStreamTest, WritesEventsAsBrowsersReadThem) {
    EventStream events(response_);
    events.send({.data = "one"});
    events.send({.name = "number", .data = "two\nlines\r\nor\rfour\n", .id = "7"});
    events.send({.id = "8"});
    events.send({.id = ""});
    events.comment();
    events.comment("a\nb");
    events.retry(std::chrono::seconds(3));
    EXPECT_EQ(sent(),
              "data: one\n\n"
              "event: number\ndata: two\ndata: lines\ndata: or\ndata: four\ndata: \nid: 7\n\n"
              "id: 8\n\n"
              "id: \n\n"
              ": \n\n"
              ": a\n: b\n\n"
              "retry: 3000\n\n");
    EXPECT_EQ(writer_.parts.size(), 7u) << "each in one part";
}

TEST_F(EventStreamTest, RefusesWhatWouldBreakTheForm) {
    EventStream events(response_);
    EXPECT_THROW(events.send({.name = "a\nb"}), std::invalid_argument);
    EXPECT_THROW(events.send({.id = "a\rb"}), std::invalid_argument);
    EXPECT_THROW(events.send({.id = std::string_view("a\0b", 3)}), std::invalid_argument);
    EXPECT_EQ(sent(), "");
    events.send({.data = "good"});
    EXPECT_EQ(sent(), "data: good\n\n") << "nothing of the others is left";
}

}  // namespace
}  // namespace ringmaster::http
