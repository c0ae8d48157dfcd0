#include "ringmaster/http/middleware/queue_time.hpp"

#include <limits>
#include <string>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'795'282'265'250ms};  // 2026-11-21T17:31:05.250Z
constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();

std::int64_t microseconds(std::string_view value) {
    const auto time = time_since_request_start(value, kNow);
    return time ? time->count() : kNone;
}

TEST(QueueTime, IsToldInTheUnitsOfAllProxies) {
    const struct {
        const char* value;
        std::int64_t microseconds;
    } cases[] = {
        {"t=1795282265.240", 10'000},         // nginx
        {"1795282265.240", 10'000},           //
        {"t=1795282264", 1'250'000},          // seconds
        {"1795282265240", 10'000},            // Heroku
        {"t=1795282265240.5", 9'500},         //
        {"t=1795282265240123", 9'877},        // Apache
        {"1795282265240123.999", 9'876},      // what is left is rounded down
        {"t=1795282265240123456", 9'876},     // nanoseconds
        {"1795282265.2401234567890", 9'876},  // digits past the nanosecond
        {"t=1795282265.250", 0},              // now
        {"t=1795282265.251", 0},              // a little later
        {"t=1795282270.250", 0},              // 5 s later
        {"t=1795281665.250", 600'000'000},    // 10 minutes ago
    };
    for (const auto& c : cases) EXPECT_EQ(microseconds(c.value), c.microseconds) << c.value;
}

TEST(QueueTime, IsNotToldByNonsense) {
    for (const char* value : {"",
                              "t=",
                              "now",
                              "t=now",
                              "T=1795282265.240",
                              "t=t=1795282265",
                              "-1795282265",
                              "+1795282265",
                              " 1795282265",
                              "1795282265 ",
                              "1795282265,24",
                              "1795282265.",
                              ".5",
                              "1795282265.2x",
                              "1795282265.2.4",
                              "0x6B01",
                              "1e9",
                              "0",
                              "1",
                              "t=1795282265240 ms",
                              "99999999999999999999",
                              "18446744073709551615",
                              "9223372036854775807",
                              "t=1795282270.251",  // more than 5 s ahead
                              "t=1795281665.249",  // more than 10 minutes ago
                              "t=1795282265240123456789"}) {
        EXPECT_EQ(microseconds(value), kNone) << value;
    }
}

TEST(QueueTime, IsSetWhereItIsTold) {
    FakeClock clock;
    clock.set_wall(kNow);
    const RequestHandler handler =
        layered({queue_time(clock)}, [](Request& request, Response& response) {
            const auto time = request.queue_time();
            response.body = time ? std::to_string(time->count()) : "none";
        });
    const auto told = [&](std::string_view fields) {
        return answer(handler, make_request("GET", "/", fields)).body;
    };
    EXPECT_EQ(told(""), "none");
    EXPECT_EQ(told("X-Request-Start: soon\r\n"), "none");
    EXPECT_EQ(told("x-request-start: t=1795282265.240\r\n"), "10000");
    clock.advance(1s);
    EXPECT_EQ(told("x-request-start: t=1795282265.240\r\n"), "1010000");
}

}  // namespace
}  // namespace ringmaster::http
