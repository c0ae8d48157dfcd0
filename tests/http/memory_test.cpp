// What requests cost in heap memory.

#include "ringmaster/http/request_parser.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include <gtest/gtest.h>

namespace {

thread_local std::size_t allocation_count = 0;
thread_local std::size_t largest_allocation = 0;

}  // namespace

// Replaced for this whole test program, to count. Not inlined, because GCC would take the pair for
// mismatched where it sees only one of them.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocation_count;
    largest_allocation = std::max(largest_allocation, size);
    if (void* const block = std::malloc(size)) return block;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
    std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}

namespace ringmaster::http {
namespace {

constexpr std::size_t kKeepBytes = 64 * 1024;

/// How many allocations one more request, answered by `router`, costs.
std::size_t allocations_for(const std::string& bytes, const Router& router) {
    RequestParser parser{RequestLimits()};
    Request request;
    Response response;
    DateCache date;
    FakeClock clock;
    std::string out;
    const auto turn = [&] {
        std::string_view rest = bytes;
        while (!rest.empty()) {
            rest.remove_prefix(parser.feed(rest.substr(0, 1000), request).consumed);
        }
        router.handle(request, response);
        append_response(out, response, {.date = date.at(clock.wall_now())});
        request.clear(kKeepBytes);
        response.clear(kKeepBytes);
        out.clear();
        clock.advance(std::chrono::seconds(1));
    };
    turn();
    const std::size_t before = allocation_count;
    turn();
    return allocation_count - before;
}

TEST(HttpMemory, ARequestAllocatesNothingInTheSteadyState) {
    Router router;
    const auto handler = [](const Request& request, const PathParameters&, Response& response) {
        response.body = request.body().substr(0, 1000);
        response.body += "pong, which is not short enough to need no memory";
        response.add_header("Processing-Time", "0.123 of something long enough");
    };
    router.add(Method::get, "/ping", handler);
    router.add(Method::post, "/a/b/c", handler);
    const std::string fields =
        "Host: 127.0.0.1:8080\r\nAccept: text/html,application/xhtml+xml\r\n";
    const std::string body(5000, 'x');
    EXPECT_EQ(allocations_for("GET /ping?x=y HTTP/1.1\r\n" + fields + "\r\n", router), 0U);
    EXPECT_EQ(
        allocations_for("POST /a/b/c HTTP/1.1\r\n" + fields + "Content-Length: 5000\r\n\r\n" + body,
                        router),
        0U);
    EXPECT_EQ(
        allocations_for("POST /a/b/c HTTP/1.1\r\n" + fields +
                            "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + body + "\r\n0\r\n\r\n",
                        router),
        0U);
}

TEST(HttpMemory, AnIdleParserIsSmall) {
    const std::size_t before = allocation_count;
    largest_allocation = 0;
    RequestParser parser{RequestLimits()};
    EXPECT_LE(allocation_count - before, 1U);
    EXPECT_LE(largest_allocation + sizeof parser, 256U);
}

TEST(HttpMemory, ALyingContentLengthGetsLittle) {
    RequestParser parser{RequestLimits()};
    Request request;
    largest_allocation = 0;
    EXPECT_EQ(parser.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\na", request)
                  .status,
              RequestParser::Status::need_more);
    EXPECT_LE(largest_allocation, 20'000U);
}

TEST(HttpMemory, AClearedRequestKeepsAsMuchAsItIsTold) {
    RequestParser parser{RequestLimits()};
    Request request;
    const auto allocations = [&] {
        const std::size_t before = allocation_count;
        const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n";
        const std::string body(9999, 'x');
        const std::size_t own = allocation_count - before;
        parser.feed(head, request);
        parser.feed(body, request);
        return allocation_count - before - own;
    };
    EXPECT_GT(allocations(), 0U);
    request.clear(kKeepBytes);
    EXPECT_EQ(allocations(), 0U);
    request.clear(9999);
    EXPECT_EQ(allocations(), 1U) << "the body's memory was past the bound, the head's was not";
    request.clear(0);
    EXPECT_GT(allocations(), 1U);
}

}  // namespace
}  // namespace ringmaster::http
