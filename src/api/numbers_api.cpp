#include "ringmaster/api/numbers_api.hpp"

#include "ringmaster/api/content_negotiation.hpp"
#include "ringmaster/api/input.hpp"

#include <utility>

namespace ringmaster::api {

namespace {

void set_plain_text(http::Response& response) {
    response.content_type = "text/plain";
}

}  // namespace

NumbersApi::NumbersApi(const ringpool::Catalog& catalog, ringpool::Store& store,
                       const runtime::Scheduler& scheduler, const Clock& clock,
                       ErrorReporter& errors, const ApiLimits& limits)
    : store_(store),
      scheduler_(scheduler),
      reader_(catalog, limits),
      allocator_(catalog, store, scheduler, clock, errors) {}

void NumbersApi::register_routes(http::Router& router) {
    using http::PathParameters;
    using http::Request;
    using http::Response;
    router.add(http::Method::post, "/numbers",
               [this](const Request& request, const PathParameters&, Response& response) {
                   allocate_batch(request, response);
               });
    router.add(http::Method::get, "/numbers",
               [this](const Request& request, const PathParameters&, Response& response) {
                   allocate_one(request, response);
               });
    router.add(http::Method::delete_, "/numbers/{e164}",
               [this](const Request& request, const PathParameters& parameters,
                      Response& response) { release(request, parameters.front(), response); });
}

void NumbersApi::allocate_batch(const http::Request& request, http::Response& response) {
    if (!check_json(request, response)) return;
    BatchAllocator::Lease batch(allocator_);
    if (auto error = reader_.read_body(request.body(), batch->request)) {
        return set_error(response, *error);
    }
    allocator_.allocate("POST /numbers", *batch);
    allocator_.append_responses(
        *batch, response.body,
        [&](const auto& request_id, const auto&, const ringpool::Allocation& answer) {
            writer_.append_row(response.body, request_id, answer);
        });
    allocator_.add_processing_time(*batch, response);
}

void NumbersApi::allocate_one(const http::Request& request, http::Response& response) {
    const bool plain_text = prefers_plain_text(request);
    // Each call begins the number's lifetime anew: an answer from a cache would be a broken
    // promise.
    response.add_header("Cache-Control", "no-store");

    BatchAllocator::Lease batch(allocator_);
    reader_.read_query(request.query(), batch->request);
    allocator_.allocate("GET /numbers", *batch);
    allocator_.for_each_row(
        *batch,
        [&](const auto& request_id, const auto&, const ringpool::Allocation& answer) {
            if (!plain_text) return writer_.append_row(response.body, request_id, answer);
            set_plain_text(response);
            answer.number.append_e164(response.body);
            response.body += '\n';
        },
        [&](const auto&, const ApiError& error) {
            if (!plain_text) return set_error(response, error);
            set_plain_error(response, error);
            response.body += '\n';
        });
    allocator_.add_processing_time(*batch, response);
}

void NumbersApi::release(const http::Request& request, std::string_view e164,
                         http::Response& response) {
    const auto number = read_e164(e164, response);
    if (!number) return;
    BatchAllocator::Lease batch(allocator_);
    reader_.read_query(request.query(), batch->request);
    if (const auto& error = batch->request.rows().front().error) return set_error(response, *error);
    const ringpool::AllocationRequest& holder = batch->request.allocations().front();
    const auto released =
        store_.release(holder.pool, *number, holder.session, scheduler_.deadline());
    if (released) {
        response.status = 204;
        response.content_type = {};
    } else if (released.error().code == ErrorCode::not_found) {
        set_error(response, {ErrorClass::not_found, "the session does not hold " + number->e164()});
    } else {
        set_error(response, {ErrorClass::service_unavailable, released.error().message});
    }
}

}  // namespace ringmaster::api
