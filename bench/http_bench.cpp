// What HTTP costs without I/O: reading a request, finding its handler, writing the answer.

#include "ringmaster/base/text.hpp"
#include "ringmaster/http/middleware/catch_errors.hpp"
#include "ringmaster/http/middleware/gzip.hpp"
#include "ringmaster/http/middleware/request_meter.hpp"
#include "ringmaster/http/query.hpp"
#include "ringmaster/http/request_parser.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"

#include <string>
#include <utility>
#include <vector>

#include "bench_scheduler.hpp"
#include <benchmark/benchmark.h>

namespace {

using namespace ringmaster;
using namespace ringmaster::http;

constexpr std::size_t kKeepBytes = 64 * 1024;

// As wrk sends them.
const std::string kPing = "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const std::string kSingle =
    "GET /numbers?pool=autos&key=A329F4DC&session=v-81&utm_source=google&utm_medium=cpc&gclid=Cj0K "
    "HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
// As a browser sends it.
const std::string kBrowser =
    "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.5\r\n\r\n";

std::string bulk(bool chunked) {
    const std::string body(5000, 'x');
    const std::string head =
        "POST /numbers HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n";
    if (!chunked) return head + "Content-Length: 5000\r\n\r\n" + body;
    return head + "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + body + "\r\n0\r\n\r\n";
}

void http_parse(benchmark::State& state, const std::string& bytes) {
    RequestParser parser{RequestLimits()};
    Request request;
    for (auto _ : state) {
        if (parser.feed(bytes, request).status != RequestParser::Status::complete) {
            state.SkipWithError("not complete");
        }
        benchmark::DoNotOptimize(request.body().data());
        request.clear(kKeepBytes);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

BENCHMARK_CAPTURE(http_parse, ping, kPing);
BENCHMARK_CAPTURE(http_parse, single, kSingle);
BENCHMARK_CAPTURE(http_parse, browser, kBrowser);
BENCHMARK_CAPTURE(http_parse, bulk, bulk(false));
BENCHMARK_CAPTURE(http_parse, bulk_chunked, bulk(true));

void http_answer(benchmark::State& state) {
    Response response;
    response.content_type = "text/plain";
    response.body = "pong";
    DateCache date;
    FakeClock clock;
    std::string out;
    for (auto _ : state) {
        append_response(out, response, {.date = date.at(clock.wall_now())});
        benchmark::DoNotOptimize(out.data());
        out.clear();
    }
}
BENCHMARK(http_answer);

void http_route(benchmark::State& state, const std::string& target) {
    Router router;
    const auto handler = [](const Request&, const PathParameters&, Response& response) {
        response.status = 200;
    };
    for (const char* pattern :
         {"/ping", "/healthz", "/readyz", "/metrics", "/status", "/pools", "/pools/{id}",
          "/pools/{id}/numbers", "/numbers", "/numbers/{e164}"}) {
        router.add(Method::get, pattern, handler);
    }
    RequestParser parser{RequestLimits()};
    Request request;
    parser.feed("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n", request);
    Response response;
    for (auto _ : state) {
        router.handle(request, response);
        benchmark::DoNotOptimize(response.status);
    }
}
BENCHMARK_CAPTURE(http_route, ping, std::string("/ping"));
BENCHMARK_CAPTURE(http_route, placeholder, std::string("/numbers/+18665550142"));

/// What the daemon puts around every handler, one layer or the other.
void http_layers(benchmark::State& state, bool guarded, bool metered) {
    runtime::BenchScheduler bench;
    RequestMeter meter(bench.scheduler, {"all"}, {{"all", 0}},
                       [](const Request&) noexcept -> std::size_t { return 0; });
    std::vector<Middleware> layers;
    if (metered) layers.push_back(meter.layer());
    if (guarded) layers.push_back(catch_errors(bench.errors));
    const RequestHandler handler =
        layered(std::move(layers), [](Request&, Response& response) { response.status = 200; });
    RequestParser parser{RequestLimits()};
    Request request;
    parser.feed(kPing, request);
    Response response;
    bench.scheduler.run("bench", [&] {
        for (auto _ : state) {
            handler(request, response);
            benchmark::DoNotOptimize(response.status);
        }
    });
    bench.finish();
}
BENCHMARK_CAPTURE(http_layers, none, false, false);
BENCHMARK_CAPTURE(http_layers, catch_errors, true, false);
BENCHMARK_CAPTURE(http_layers, meter, false, true);

/// An answer of so many numbers, with its compression.
void http_gzip(benchmark::State& state) {
    std::string body;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        body += R"({"number":"+1866555)" + std::to_string(1000 + i * 7919 % 9000) +
                R"(","formatted":"866-555-0142","expires_at":"2026-11-21T21:45:00Z"},)";
    }
    const RequestHandler handler =
        layered({gzip({.max_bytes = 4 * 1024 * 1024, .level = static_cast<int>(state.range(1))})},
                [&](Request&, Response& response) { response.body = body; });
    RequestParser parser{RequestLimits()};
    Request request;
    parser.feed(kBrowser, request);
    Response response;
    for (auto _ : state) {
        response.clear(kKeepBytes);
        handler(request, response);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
    state.counters["part"] =
        static_cast<double>(response.body.size()) / static_cast<double>(body.size());
}
BENCHMARK(http_gzip)->ArgsProduct({{40, 1000, 12000}, {1, 6}})->ArgNames({"numbers", "level"});

void http_json_string(benchmark::State& state, const std::string& text) {
    std::string out;
    for (auto _ : state) {
        append_json_string(out, text);
        benchmark::DoNotOptimize(out.data());
        out.clear();
    }
}
BENCHMARK_CAPTURE(http_json_string, short_ascii, std::string("866-555-0142"));
BENCHMARK_CAPTURE(http_json_string, long_ascii, std::string(1000, 'x'));

void http_query(benchmark::State& state) {
    const std::string_view text =
        "pool=autos&key=A329F4DC&session=v-81&utm_source=google&utm_term=blue+car&gclid=Cj0K";
    std::string arena;
    arena.reserve(text.size());
    for (auto _ : state) {
        QueryReader reader(text);
        while (auto pair = *reader.next(arena)) benchmark::DoNotOptimize(pair->value.data());
        arena.clear();
    }
}
BENCHMARK(http_query);

}  // namespace
