#include "ringmaster/api/report_api.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "api/admin_fixture.hpp"
#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

class ReportApiTest : public testing::Test {
  protected:
    void serve(ReadAccess access) {
        api_.emplace(admin_, ReportApi::Route{"/report", "text/plain; version=7", access},
                     [this] { return "a " + std::to_string(++asked_) + "\n"; });
        api_->register_routes(router_);
    }
    http::Response get(std::string_view fields = "") {
        return http::answer([&](http::Request& request,
                                http::Response& response) { router_.handle(request, response); },
                            http::make_request("GET", "/report", fields));
    }

    int asked_ = 0;
    const AdminAccess admin_{std::string(kToken)};
    std::optional<ReportApi> api_;
    http::Router router_;
};

TEST_F(ReportApiTest, AnswersWhatIsCollectedAtEachRequest) {
    serve(ReadAccess::everybody);
    for (const char* const expected : {"a 1\n", "a 2\n"}) {
        const auto response = get();
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, expected);
        EXPECT_EQ(response.content_type, "text/plain; version=7");
    }
}

TEST_F(ReportApiTest, WhoMayNotReadMakesNobodyCollect) {
    serve(ReadAccess::admin);
    EXPECT_EQ(get().status, 401);
    EXPECT_EQ(get("Authorization: Bearer other\r\n").status, 401);
    EXPECT_EQ(asked_, 0);
    EXPECT_EQ(get(kAuthorization).body, "a 1\n");
}

}  // namespace
}  // namespace ringmaster::api
