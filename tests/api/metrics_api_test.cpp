#include "ringmaster/api/metrics_api.hpp"

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

TEST(MetricsApi, AnswersWhatIsCollectedAtEachRequest) {
    int asked = 0;
    const AdminAccess admin("");
    MetricsApi api(admin, ReadAccess::everybody,
                   [&] { return "a " + std::to_string(++asked) + "\n"; });
    http::Router router;
    api.register_routes(router);
    for (const char* const expected : {"a 1\n", "a 2\n"}) {
        const auto response = http::answer(
            [&](http::Request& request, http::Response& answer) { router.handle(request, answer); },
            http::make_request("GET", "/metrics"));
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, expected);
        EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    }
}

}  // namespace
}  // namespace ringmaster::api
