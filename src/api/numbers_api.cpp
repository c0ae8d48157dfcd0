#include "ringmaster/api/numbers_api.hpp"

#include "ringmaster/api/content_negotiation.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <utility>

namespace ringmaster::api {

namespace {

/// How many Works wait to be used again, and how much text each keeps.
constexpr std::size_t kMaxIdle = 64;
constexpr std::size_t kKeepBytes = 64 * 1024;

void set_plain_text(http::Response& response) {
    response.content_type = "text/plain";
}

void set_plain_error(http::Response& response, const ApiError& error) {
    set_error(response, error);
    set_plain_text(response);
    response.body.assign(to_string(error.error_class)).append(": ").append(error.message);
    response.body += '\n';
}

}  // namespace

/// What one request needs until it is answered.
struct NumbersApi::Work {
    NumbersRequest request;
    std::vector<ringpool::Allocation> answers;  ///< to request.allocations()
};

/// Lends a Work to one request.
class NumbersApi::Lease {
  public:
    explicit Lease(NumbersApi& api) : api_(api) {
        if (api.idle_.empty()) {
            work_ = std::make_unique<Work>();
        } else {
            work_ = std::move(api.idle_.back());
            api.idle_.pop_back();
        }
    }
    ~Lease() {
        if (api_.idle_.size() == kMaxIdle) return;
        work_->request.clear(kKeepBytes);
        work_->answers.clear();
        api_.idle_.push_back(std::move(work_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Work& operator*() noexcept { return *work_; }
    Work* operator->() noexcept { return work_.get(); }

  private:
    NumbersApi& api_;
    std::unique_ptr<Work> work_;
};

NumbersApi::NumbersApi(const ringpool::Catalog& catalog, ringpool::Store& store,
                       const runtime::Scheduler& scheduler, const Clock& clock,
                       ErrorReporter& errors, const ApiLimits& limits)
    : catalog_(catalog),
      store_(store),
      scheduler_(scheduler),
      clock_(clock),
      errors_(errors),
      reader_(catalog, limits) {
    idle_.reserve(kMaxIdle);
}

NumbersApi::~NumbersApi() = default;

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
    const SteadyTime begin = scheduler_.now();
    if (auto why = why_not_json(request)) {
        response.add_header("Accept", "application/json");
        response.add_header("Accept-Encoding", "identity");
        return set_error(response, {ErrorClass::unsupported_media_type, *std::move(why)});
    }
    Lease work(*this);
    if (auto error = reader_.read_body(request.body(), work->request)) {
        return set_error(response, *error);
    }
    const auto failure = allocate("POST /numbers", *work);
    write_rows(*work, failure, response.body);
    add_processing_time(begin, response);
}

void NumbersApi::allocate_one(const http::Request& request, http::Response& response) {
    const SteadyTime begin = scheduler_.now();
    const bool plain_text = prefers_plain_text(request);
    // Each call begins the number's lifetime anew: an answer from a cache would be a broken
    // promise.
    response.add_header("Cache-Control", "no-store");

    Lease work(*this);
    reader_.read_query(request.query(), work->request);
    std::optional<ApiError> error = work->request.rows().front().error;
    if (!error) error = allocate("GET /numbers", *work);
    if (!error && work->answers.front().outcome == ringpool::Allocation::Outcome::refused) {
        error = exhausted(work->request.allocations().front(), work->answers.front());
    }
    if (error && plain_text) {
        set_plain_error(response, *error);
    } else if (error) {
        set_error(response, *error);
    } else if (plain_text) {
        set_plain_text(response);
        work->answers.front().number.append_e164(response.body);
        response.body += '\n';
    } else {
        writer_.append_row(response.body, std::nullopt, work->answers.front());
    }
    add_processing_time(begin, response);
}

void NumbersApi::release(const http::Request& request, std::string_view e164,
                         http::Response& response) {
    const auto number = ringpool::PhoneNumber::parse_e164(e164);
    if (!number) {
        return set_error(response, {ErrorClass::invalid_input,
                                    "the path must end in a number in E.164 form, e.g. "
                                    "/numbers/+18665550142"});
    }
    Lease work(*this);
    reader_.read_query(request.query(), work->request);
    if (const auto& error = work->request.rows().front().error) return set_error(response, *error);
    const ringpool::AllocationRequest& holder = work->request.allocations().front();
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

/// Asks the store for all good rows at once. Where it throws, none of them has an answer, but those
/// that were refused before keep theirs.
std::optional<ApiError> NumbersApi::allocate(std::string_view doing, Work& work) {
    const auto requests = work.request.allocations();
    work.answers.resize(requests.size());
    if (requests.empty()) return std::nullopt;
    try {
        store_.allocate(requests, work.answers, scheduler_.deadline());
        return std::nullopt;
    } catch (const std::exception&) {
        const std::uint64_t handle = errors_.report(doing, std::current_exception());
        return ApiError{ErrorClass::internal_service_error,
                        "refer to error handle " + std::to_string(handle)};
    }
}

ApiError NumbersApi::exhausted(const ringpool::AllocationRequest& request,
                               const ringpool::Allocation& allocation) const {
    std::string message = "pool '" + catalog_.at(request.pool).id + "' has no number to give (";
    message.append(ringpool::to_string(allocation.reason)).append(") and allows no overflow");
    return {ErrorClass::pool_exhausted, std::move(message)};
}

void NumbersApi::write_rows(const Work& work, const std::optional<ApiError>& failure,
                            std::string& out) {
    constexpr std::size_t kUsualRowBytes = 128;
    out.reserve(work.request.rows().size() * kUsualRowBytes);
    out += "{\"responses\":[";
    std::size_t next = 0;  // of the allocations
    for (const NumbersRequest::Row& row : work.request.rows()) {
        if (out.back() != '[') out += ',';
        if (row.error) {
            writer_.append_error(out, row.request_id, *row.error);
            continue;
        }
        const ringpool::Allocation& answer = work.answers[next];
        if (failure) {
            writer_.append_error(out, row.request_id, *failure);
        } else if (answer.outcome == ringpool::Allocation::Outcome::refused) {
            writer_.append_error(out, row.request_id,
                                 exhausted(work.request.allocations()[next], answer));
        } else {
            writer_.append_row(out, row.request_id, answer);
        }
        ++next;
    }
    out += "]}";
}

void NumbersApi::add_processing_time(SteadyTime begin, http::Response& response) const {
    const auto elapsed = std::max(clock_.steady_now() - begin, SteadyTime::duration::zero());
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
    char text[32];
    char* end = std::to_chars(text, text + 24, us / 1000).ptr;
    *end++ = '.';
    for (const auto part : {us / 100 % 10, us / 10 % 10, us % 10}) {
        *end++ = static_cast<char>('0' + part);
    }
    response.add_header("processing-time", std::string_view(text, end));
}

}  // namespace ringmaster::api
