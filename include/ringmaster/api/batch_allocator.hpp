#pragma once

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::api {

/// A request for numbers and what came of it.
struct Batch {
    SteadyTime begin;  ///< when the request came
    NumbersRequest request;
    std::vector<ringpool::Allocation> answers;  ///< to request.allocations()
    std::optional<ApiError> failure;            ///< of all allocations: there are no answers
};

/// What all interfaces that hand numbers out do alike, in whatever form they were asked and answer:
/// asks the store for the good rows of a request, all at once, and tells what came of each row.
class BatchAllocator {
  public:
    /// All that is passed must outlive this. `clock` is the one that drives `scheduler`: time there
    /// stands still within a turn, but clients are told how long they really waited.
    BatchAllocator(const ringpool::Catalog& catalog, ringpool::Store& store,
                   const runtime::Scheduler& scheduler, const Clock& clock, ErrorReporter& errors);

    /// Lends a clear Batch that begins now. The memory of Batches is used again.
    class Lease;

    /// Suspends. Fills in answers or failure. Where the store throws, the rows that were refused
    /// before keep their errors; `doing` is for the log then.
    void allocate(std::string_view doing, Batch& batch);

    /// Calls, for each row of an allocated batch and in order, `on_number(request_id, pool,
    /// answer)`, where `pool` is its definition and `answer` is not refused, or
    /// `on_error(request_id, error)`.
    template <class OnNumber, class OnError>
    void for_each_row(const Batch& batch, OnNumber&& on_number, OnError&& on_error) const {
        std::size_t next = 0;  // of the allocations
        for (const NumbersRequest::Row& row : batch.request.rows()) {
            if (row.error) {
                on_error(row.request_id, *row.error);
                continue;
            }
            const auto& pool = catalog_.at(batch.request.allocations()[next].pool);
            const ringpool::Allocation& answer = batch.answers[next++];
            if (batch.failure) {
                on_error(row.request_id, *batch.failure);
            } else if (answer.outcome == ringpool::Allocation::Outcome::refused) {
                on_error(row.request_id, exhausted(pool, answer));
            } else {
                on_number(row.request_id, pool, answer);
            }
        }
    }

    /// Appends {"responses":[...]} with what came of each row: `append_number(request_id, pool,
    /// answer)` appends the object of one that has a number; a failed one looks alike everywhere.
    template <class AppendNumber>
    void append_responses(const Batch& batch, std::string& out,
                          AppendNumber&& append_number) const {
        constexpr std::size_t kUsualRowBytes = 192;
        out.reserve(batch.request.rows().size() * kUsualRowBytes);
        out += "{\"responses\":[";
        const auto separate = [&] {
            if (out.back() != '[') out += ',';
        };
        for_each_row(
            batch,
            [&](const auto& request_id, const auto& pool, const auto& answer) {
                separate();
                append_number(request_id, pool, answer);
            },
            [&](const auto& request_id, const ApiError& error) {
                separate();
                NumbersWriter::append_error(out, request_id, error);
            });
        out += "]}";
    }

    /// Adds the field that tells the server's time for the request, in milliseconds.
    void add_processing_time(const Batch& batch, http::Response& response) const;

    /// What a refused answer means.
    static ApiError exhausted(const ringpool::PoolDefinition& pool,
                              const ringpool::Allocation& answer);

  private:
    const ringpool::Catalog& catalog_;
    ringpool::Store& store_;
    const runtime::Scheduler& scheduler_;
    const Clock& clock_;
    ErrorReporter& errors_;
    std::vector<std::unique_ptr<Batch>> idle_;  ///< capacity reserved at construction
};

class BatchAllocator::Lease {
  public:
    explicit Lease(BatchAllocator& allocator);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Batch& operator*() noexcept { return *batch_; }
    Batch* operator->() noexcept { return batch_.get(); }

  private:
    BatchAllocator& allocator_;
    std::unique_ptr<Batch> batch_;
};

}  // namespace ringmaster::api
