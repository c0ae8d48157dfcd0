// What the API itself costs beside the store: reading the body of a POST /numbers of 40 rows, and
// writing its answer.
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace {

using namespace ringmaster;

constexpr int kPools = 64;
constexpr int kRows = 40;
constexpr std::size_t kKeepBytes = 64 * 1024;

std::string pool_id(int i) {
    return "pool-" + std::to_string(i);
}
std::string pool_key(int i) {
    return "5A0C91F3" + std::to_string(1000 + i);
}

ringpool::Catalog make_catalog() {
    ringpool::Catalog catalog;
    for (int i = 0; i < kPools; ++i) {
        ringpool::PoolDefinition pool;
        pool.id = pool_id(i);
        pool.key = pool_key(i);
        pool.allow_overflow = false;
        if (!catalog.put(std::move(pool))) std::abort();
    }
    return catalog;
}

/// One of many different bodies, so that branches can't be learnt by heart.
std::string make_body(std::mt19937& random) {
    constexpr const char* kSources[] = {"google", "bing", "newsletter", "facebook"};
    std::string body = "{\"requests\":[";
    for (int i = 0; i < kRows; ++i) {
        const int pool = static_cast<int>(random() % kPools);
        if (i > 0) body += ',';
        body += "{\"pool\":\"" + pool_id(pool) + "\",\"key\":\"" + pool_key(pool) +
                "\",\"session\":\"v-" + std::to_string(random() % 1'000'000) +
                "\",\"request_id\":\"" + std::to_string(i) + "\",\"context\":{\"utm_source\":\"" +
                kSources[random() % 4] + "\",\"utm_medium\":\"cpc\",\"gclid\":\"Cj0K" +
                std::to_string(random()) + "\"}}";
    }
    return body + "]}";
}

std::vector<std::string> make_bodies() {
    std::mt19937 random(1);
    std::vector<std::string> bodies;
    for (int i = 0; i < 64; ++i) {
        bodies.push_back(make_body(random));
        bodies.back().reserve(bodies.back().size() + http::Request::kBodyPadding);
    }
    return bodies;
}

void read_body(benchmark::State& state) {
    const ringpool::Catalog catalog = make_catalog();
    const std::vector<std::string> bodies = make_bodies();
    api::NumbersReader reader(catalog, {});
    api::NumbersRequest request;
    std::size_t next = 0;
    std::size_t bytes = 0;
    for (auto _ : state) {
        const std::string& body = bodies[next++ % bodies.size()];
        request.clear(kKeepBytes);
        if (reader.read_body(body, request)) state.SkipWithError("refused");
        benchmark::DoNotOptimize(request.allocations().data());
        bytes += body.size();
    }
    if (request.allocations().size() != kRows) state.SkipWithError("rows refused");
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(read_body);

/// GET /numbers, for comparison.
void read_query(benchmark::State& state) {
    const ringpool::Catalog catalog = make_catalog();
    const std::string query = "pool=pool-7&key=" + pool_key(7) +
                              "&session=v-81&utm_source=google&utm_medium=cpc&gclid=Cj0K%2B1";
    api::NumbersReader reader(catalog, {});
    api::NumbersRequest request;
    for (auto _ : state) {
        request.clear(kKeepBytes);
        reader.read_query(query, request);
        benchmark::DoNotOptimize(request.allocations().data());
    }
    if (request.allocations().size() != 1) state.SkipWithError("refused");
}
BENCHMARK(read_query);

void write_answer(benchmark::State& state) {
    std::mt19937 random(1);
    std::vector<ringpool::Allocation> answers(kRows);
    std::vector<std::string> request_ids;
    for (int i = 0; i < kRows; ++i) {
        ringpool::Allocation& answer = answers[static_cast<std::size_t>(i)];
        answer.outcome = ringpool::Allocation::Outcome::allocated;
        const auto number = random() % 10'000'000'000;
        answer.number = ringpool::PhoneNumber::from_digits(10'000'000'000 + number);
        answer.formatted = ringpool::FormattedNumber("866-555-0142");
        answer.expires_at = WallTime(std::chrono::milliseconds(1'795'282'265'000));
        request_ids.push_back(std::to_string(i));
    }
    api::NumbersWriter writer;
    std::string out;
    for (auto _ : state) {
        out.clear();
        for (std::size_t i = 0; i < answers.size(); ++i) {
            writer.append_row(out, std::string_view(request_ids[i]), answers[i]);
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(out.size()) * state.iterations());
}
BENCHMARK(write_answer);

}  // namespace
