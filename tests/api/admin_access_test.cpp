#include "ringmaster/api/admin_access.hpp"

#include "ringmaster/api/history_api.hpp"
#include "ringmaster/api/pools_api.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "api/admin_fixture.hpp"
#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

http::Response check(const AdminAccess& access, std::string_view headers) {
    http::Response response;
    if (!access.check(make_request("GET", "/", headers), response)) {
        EXPECT_NE(response.status, 200);
    }
    return response;
}

TEST(AdminAccess, LetsTheTokenPass) {
    const AdminAccess access("t0ken");
    for (const std::string_view value :
         {"Bearer t0ken", "bearer t0ken", "BEARER t0ken", "Bearer   t0ken", "Bearer t0ken \t"}) {
        const auto response = check(access, "Authorization: " + std::string(value) + "\r\n");
        EXPECT_EQ(response.status, 200) << value;
        EXPECT_EQ(response.body, "");
    }
}

TEST(AdminAccess, AsksForATokenWhereThereIsNone) {
    const AdminAccess access("t0ken");
    for (const std::string_view headers :
         {"", "Authorization:\r\n", "Authorization: Basic dDBrZW46\r\n", "Authorization: t0ken\r\n",
          "Authorization: Bearer\r\n", "Authorization: Bearert0ken\r\n", "Bearer: t0ken\r\n",
          "Proxy-Authorization: Bearer t0ken\r\n"}) {
        const auto response = check(access, headers);
        EXPECT_EQ(response.status, 401) << headers;
        EXPECT_EQ(response.extra_headers(), "WWW-Authenticate: Bearer\r\n");
        EXPECT_EQ(response.body,
                  R"({"error_class":"Unauthorized","message":"this is for the administrator; send )"
                  R"('Authorization: Bearer TOKEN'"})");
    }
}

TEST(AdminAccess, RefusesAWrongToken) {
    const AdminAccess access("t0ken");
    for (const std::string_view token :
         {"t0keN", "t0ke", "t0kenn", "t0ken t0ken", "\"t0ken\"", "t0ken,"}) {
        const auto response = check(access, "Authorization: Bearer " + std::string(token) + "\r\n");
        EXPECT_EQ(response.status, 403) << token;
        EXPECT_EQ(response.extra_headers(), "");
        EXPECT_EQ(
            response.body,
            R"({"error_class":"Forbidden","message":"this is not the administrator's token"})");
    }
    EXPECT_EQ(check(access, "Authorization: Bearer " + std::string(20'000, 't') + "\r\n").status,
              403);
    EXPECT_EQ(check(access, "Authorization: Bearer no\r\nAuthorization: Bearer t0ken\r\n").status,
              403)
        << "the first one counts";
}

TEST(AdminAccess, WithoutATokenNobodyIsTheAdministrator) {
    const AdminAccess access("");
    for (const std::string_view headers :
         {"", "Authorization: Bearer \r\n", "Authorization: Bearer x\r\n"}) {
        const auto response = check(access, headers);
        EXPECT_EQ(response.status, 403) << headers;
        EXPECT_EQ(response.body,
                  "{\"error_class\":\"Forbidden\",\"message\":\"there is no admin interface, "
                  "because the configuration has no token for it ([admin] token)\"}");
    }
}

TEST(AdminAccess, ATokenHasABound) {
    const std::string longest(AdminAccess::kMaxTokenBytes, 'x');
    EXPECT_EQ(check(AdminAccess(longest), "Authorization: Bearer " + longest + "\r\n").status, 200);
    EXPECT_THROW(AdminAccess(longest + "x"), std::invalid_argument);
}

/// All that is for the administrator alone. A route that is added belongs in here.
constexpr std::pair<std::string_view, std::string_view> kRoutes[] = {
    {"GET", "/pools"},
    {"GET", "/pools/autos"},
    {"PUT", "/pools/autos"},
    {"DELETE", "/pools/autos"},
    {"GET", "/pools/autos/numbers"},
    {"PUT", "/pools/autos/numbers"},
    {"POST", "/pools/autos/numbers"},
    {"PATCH", "/pools/autos/numbers"},
    {"DELETE", "/pools/autos/numbers/+18665550142"},
    {"GET", "/numbers/+18665550142"},
    {"HEAD", "/numbers/+18665550142"},
    {"DELETE", "/sessions/v-81"},
};

TEST(AdminRoutes, NobodyElseReachesTheStore) {
    for (const std::string_view configured : {kToken, std::string_view()}) {
        runtime::ManualScheduler runtime;
        runtime::Reactor reactor(runtime.clock, runtime.errors, {.max_fibers = 1});
        runtime::HelperThread helper(reactor, "test-helper");
        ringpool::Catalog catalog = make_catalog();
        FakePools pools(catalog);
        int counted = 0;
        pools.on_figures = [&](std::string_view) { ++counted; };
        FakeHistory history;
        const AdminAccess access(configured);
        PoolsApi pools_api(access, catalog, pools, helper, {});
        HistoryApi history_api(access, history, runtime.scheduler, {});
        http::Router router;
        pools_api.register_routes(router);
        history_api.register_routes(router);

        for (const auto& [method, target] : kRoutes) {
            for (const std::string_view headers : {"", "Authorization: Bearer wrong\r\n"}) {
                http::Request request = make_request(method, target, headers);
                http::Response response;
                router.handle(request, response);
                EXPECT_EQ(response.status, headers.empty() && !configured.empty() ? 401 : 403)
                    << method << " " << target;
                EXPECT_TRUE(response.extra_headers().starts_with("Cache-Control: no-store\r\n"));
            }
        }
        EXPECT_TRUE(pools.asked.empty());
        EXPECT_TRUE(history.asked.empty());
        EXPECT_EQ(counted, 0);
    }
}

/// So that a table that has fallen behind is noticed: these are all methods of all paths.
TEST(AdminRoutes, AreAllInTheTable) {
    runtime::ManualScheduler runtime;
    runtime::Reactor reactor(runtime.clock, runtime.errors, {.max_fibers = 1});
    runtime::HelperThread helper(reactor, "test-helper");
    ringpool::Catalog catalog = make_catalog();
    FakePools pools(catalog);
    FakeHistory history;
    const AdminAccess access(kToken);
    PoolsApi pools_api(access, catalog, pools, helper, {});
    HistoryApi history_api(access, history, runtime.scheduler, {});
    http::Router router;
    pools_api.register_routes(router);
    history_api.register_routes(router);

    for (const auto& [any_method, target] : kRoutes) {
        http::Request request = make_request("OPTIONS", target);
        http::Response options;
        router.handle(request, options);
        for (const std::string_view method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
            const bool is_route = options.extra_headers().find(method) != std::string::npos;
            const bool in_table =
                std::ranges::find(kRoutes, std::pair(method, target)) != std::end(kRoutes);
            EXPECT_EQ(is_route, in_table) << method << " " << target;
        }
    }
}

/// What a reader is answered who shows this.
int read_with(const AdminAccess& admin, ReadAccess access, std::string_view headers) {
    http::Response response;
    http::Request request = make_request("GET", "/", headers);
    admin.guard_reading(access, [](http::Request&, const http::PathParameters&,
                                   http::Response& answer) { answer.status = 204; })(request, {},
                                                                                     response);
    EXPECT_EQ(response.header("Cache-Control"), "no-store");
    return response.status;
}

TEST(AdminAccess, LetsReadersShowTheTokenAsAPassword) {
    const AdminAccess access("t0ken:with/colon");
    for (const std::string_view value :
         {"Bearer t0ken:with/colon", "Basic YW55OnQwa2VuOndpdGgvY29sb24=",  // user "any"
          "basic  OnQwa2VuOndpdGgvY29sb24="}) {                             // user ""
        EXPECT_EQ(
            read_with(access, ReadAccess::admin, "Authorization: " + std::string(value) + "\r\n"),
            204)
            << value;
    }
}

TEST(AdminAccess, AsksReadersForItAgainWhereItIsWrong) {
    const AdminAccess access("t0ken:with/colon");
    for (const std::string_view headers :
         {"", "Authorization: Bearer no\r\n", "Authorization: Basic\r\n",
          "Authorization: Basic ====\r\n", "Authorization: Basic !!!!\r\n",
          "Authorization: Basic t0ken:with/colon\r\n",
          "Authorization: Basic dDBrZW46d2l0aC9jb2xvbg==\r\n",      // without a user
          "Authorization: Basic YW55OnQwa2VuOndpdGgvY29sbw==\r\n",  // a letter short
          "Authorization: Digest YW55OnQwa2VuOndpdGgvY29sb24=\r\n"}) {
        EXPECT_EQ(read_with(access, ReadAccess::admin, headers), 401) << headers;
    }
    EXPECT_EQ(read_with(AdminAccess(""), ReadAccess::admin, "Authorization: Basic Og==\r\n"), 403)
        << "no token is configured";
}

TEST(AdminAccess, LetsEverybodyReadWhatIsForEverybody) {
    EXPECT_EQ(read_with(AdminAccess("t0ken"), ReadAccess::everybody, ""), 204);
    EXPECT_EQ(read_with(AdminAccess(""), ReadAccess::everybody, ""), 204);
}

}  // namespace
}  // namespace ringmaster::api
