#include "ringmaster/http/middleware/request_id.hpp"

#include <stdexcept>
#include <string>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

/// Answers with the id that it sees, and the one that the client will.
RequestHandler telling_ids(RequestIdOptions options = {}) {
    return layered({request_id(std::move(options))}, [](Request& request, Response& response) {
        response.body =
            std::string(request.id()) + " " + std::string(response.header("X-Request-Id").value());
    });
}

std::string ids(const RequestHandler& handler, std::string_view fields) {
    return answer(handler, make_request("GET", "/", fields)).body;
}

TEST(RequestId, IsMadeWhereNoneCame) {
    const RequestHandler handler = telling_ids({.prefix = "here"});
    EXPECT_EQ(ids(handler, ""), "here-1 here-1");
    EXPECT_EQ(ids(handler, ""), "here-2 here-2");
}

TEST(RequestId, IsTheClientsWhereItIsOne) {
    const RequestHandler handler = telling_ids({.prefix = "here"});
    for (const std::string& id :
         {std::string("a"), std::string("3f-A_z.9"), std::string(128, 'x')}) {
        EXPECT_EQ(ids(handler, "x-request-id: " + id + "\r\n"), id + " " + id);
    }
    EXPECT_EQ(ids(handler, ""), "here-1 here-1") << "none was made for the others";
}

TEST(RequestId, ReplacesWhatIsNone) {
    const RequestHandler handler = telling_ids({.prefix = "p"});
    for (const std::string& id :
         {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a,b"),
          std::string("\xC3\xA9"), std::string("a\"")}) {
        EXPECT_TRUE(ids(handler, "X-Request-Id: " + id + "\r\n").starts_with("p-")) << id;
    }
}

TEST(RequestId, DiffersBetweenProcesses) {
    const std::string one = ids(telling_ids(), "");
    const std::string other = ids(telling_ids(), "");
    EXPECT_NE(one, other);
    EXPECT_EQ(one.find('-'), 16u) << one;
}

TEST(RequestId, IsCountedOverAllHandlersOfALayer) {
    const Middleware layer = request_id({.prefix = "p"});
    const auto nothing = [](Request&, Response&) {};
    const RequestHandler one = layer(nothing);
    const RequestHandler other = layer(nothing);
    EXPECT_EQ(answer(one, make_request("GET", "/")).header("X-Request-Id"), "p-1");
    EXPECT_EQ(answer(other, make_request("GET", "/")).header("X-Request-Id"), "p-2");
}

TEST(RequestId, RefusesABadPrefix) {
    EXPECT_THROW(request_id({.prefix = "a b"}), std::invalid_argument);
    EXPECT_THROW(request_id({.prefix = std::string(65, 'a')}), std::invalid_argument);
    EXPECT_NO_THROW(request_id({.prefix = std::string(64, 'a')}));
}

}  // namespace
}  // namespace ringmaster::http
