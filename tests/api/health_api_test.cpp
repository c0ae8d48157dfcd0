#include "ringmaster/api/health_api.hpp"

#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

class HealthApiTest : public ::testing::Test {
  protected:
    HealthApiTest() { api_.register_routes(router_); }

    http::Response get(std::string_view path) {
        http::Request request = make_request("GET", path);
        http::Response response;
        router_.handle(request, response);
        return response;
    }

    FakeStore store_;
    bool draining_ = false;
    HealthApi api_{store_, [this] { return draining_; }};
    http::Router router_;
};

TEST_F(HealthApiTest, PingIsPong) {
    const http::Response response = get("/ping");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_EQ(response.body, "pong");
    EXPECT_EQ(response.extra_headers(), "");
}

TEST_F(HealthApiTest, IsAliveWhateverTheStoreSays) {
    store_.is_ready = Error{ErrorCode::unavailable, "disk full"};
    draining_ = true;
    const http::Response response = get("/healthz");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "alive\n");
}

TEST_F(HealthApiTest, IsReadyWhereTheStoreIs) {
    EXPECT_EQ(get("/readyz").status, 200);
    EXPECT_EQ(get("/readyz").body, "ready\n");

    store_.is_ready = Error{ErrorCode::unavailable, "disk full"};
    const http::Response response = get("/readyz");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body, "disk full\n");
    EXPECT_EQ(response.extra_headers(), "Retry-After: 1\r\n");
}

TEST_F(HealthApiTest, IsNotReadyWhileDraining) {
    draining_ = true;
    const http::Response response = get("/readyz");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_EQ(response.body, "draining\n");
    EXPECT_EQ(response.extra_headers(), "Retry-After: 1\r\n");
}

}  // namespace
}  // namespace ringmaster::api
