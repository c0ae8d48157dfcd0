// Once its buffers have grown, a request costs no heap allocation: counted in this whole program.
// (Not under AddressSanitizer, which has operators of its own.)
#ifndef __SANITIZE_ADDRESS__

#include "ringmaster/api/compat_api.hpp"
#include "ringmaster/api/health_api.hpp"
#include "ringmaster/api/numbers_api.hpp"

#include <cstddef>
#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include "counted_heap.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

/// Answers without remembering anything.
class CheapStore final : public ringpool::Store {
  public:
    void allocate(std::span<const ringpool::AllocationRequest>,
                  std::span<ringpool::Allocation> answers, Deadline) override {
        for (ringpool::Allocation& answer : answers) answer = FakeStore::number(0);
    }
    Result<void> release(ringpool::PoolIndex, ringpool::PhoneNumber, const ringpool::Session&,
                         Deadline) override {
        return {};
    }
    Result<void> ready() const override { return {}; }
};

class SteadyState : public ::testing::Test {
  protected:
    SteadyState() {
        numbers_.register_routes(router_);
        compat_.register_routes(router_);
        health_.register_routes(router_);
    }

    /// Of the third of three equal requests.
    std::size_t allocations_of(http::Request request) {
        constexpr std::size_t kKeepBytes = 64 * 1024;
        std::size_t count = 0;
        for (int i = 0; i < 3; ++i) {
            response_.clear(kKeepBytes);
            count = heap_allocations();
            router_.handle(request, response_);
            count = heap_allocations() - count;
        }
        EXPECT_EQ(response_.status, 200) << response_.body;
        return count;
    }

    runtime::ManualScheduler runtime_;
    ringpool::Catalog catalog_ = make_catalog();
    CheapStore store_;
    NumbersApi numbers_{catalog_, store_, runtime_.scheduler, runtime_.clock, runtime_.errors, {}};
    CompatApi compat_{catalog_, store_, runtime_.scheduler, runtime_.clock, runtime_.errors, {}};
    HealthApi health_{store_, [] { return false; }};
    http::Router router_;
    http::Response response_;
};

TEST_F(SteadyState, APingAllocatesNothing) {
    EXPECT_EQ(allocations_of(make_request("GET", "/ping")), 0u);
}

TEST_F(SteadyState, ASingleNumberAllocatesNothing) {
    EXPECT_EQ(allocations_of(make_request(
                  "GET", "/numbers?pool=autos&key=A329F4DC&session=v-81&utm_source=a%20b")),
              0u);
}

TEST_F(SteadyState, ABatchAllocatesNothing) {
    std::string body = R"({"requests":[)";
    for (int i = 0; i < 40; ++i) {
        if (i > 0) body += ',';
        body += R"({"pool":"autos","key":"A329F4DC","session":"v-81","request_id":"193C5F",)"
                R"("context":{"utm_source":"goo\u0067le","gclid":"Cj0K","n":1}})";
    }
    EXPECT_EQ(allocations_of(make_request("POST", "/numbers", "", body + "]}")), 0u);
}

TEST_F(SteadyState, ACompatibleBulkAllocatesOnlyForThePath) {
    std::string body = R"({"requests":[)";
    for (int i = 0; i < 40; ++i) {
        if (i > 0) body += ',';
        body += R"({"api_suffix":"autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a%20b",)"
                R"("request_id":"193C5F"})";
    }
    EXPECT_EQ(allocations_of(make_request("POST", "/api/2013-07-01/bulk.json", "", body + "]}")),
              1u);
}

}  // namespace
}  // namespace ringmaster::api

#endif
