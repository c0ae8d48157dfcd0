#include "ringmaster/api/profile_api.hpp"

#include <string>
#include <string_view>

#include "api/admin_fixture.hpp"
#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

class ProfileApiTest : public testing::Test {
  protected:
    ProfileApiTest() { api_.register_routes(router_); }

    http::Response get(std::string_view fields) {
        return http::answer([&](http::Request& request,
                                http::Response& response) { router_.handle(request, response); },
                            http::make_request("GET", "/profile", fields));
    }

    int asked_ = 0;
    const AdminAccess admin_{std::string(kToken)};
    ProfileApi api_{admin_, [this] { return "profile " + std::to_string(++asked_) + "\n"; }};
    http::Router router_;
};

TEST_F(ProfileApiTest, AnswersWhatIsCollectedAtEachRequest) {
    for (const char* const expected : {"profile 1\n", "profile 2\n"}) {
        const auto response = get(kAuthorization);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, expected);
        EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    }
}

TEST_F(ProfileApiTest, OthersMakeNobodyCollectAnything) {
    EXPECT_EQ(get("").status, 401);
    EXPECT_EQ(get("Authorization: Bearer other\r\n").status, 403);
    EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace ringmaster::api
