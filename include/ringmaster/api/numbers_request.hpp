#pragma once

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::api {

class JsonTokens;

/// What one request for numbers may hold.
struct ApiLimits {
    std::size_t max_batch = 1000;  ///< rows of one POST
    std::size_t max_session_bytes = 256;
    std::size_t max_request_id_bytes = 256;
    ringpool::ContextLimits context;
};

/// A request for numbers, ready for the store: its good rows as allocations, and why the others are
/// not. Filled by NumbersReader. Its views point into itself and into the body or query that it was
/// read from, which must stay for as long; it may then be used across suspensions. Made to be
/// reused: clear() keeps the memory.
class NumbersRequest {
  public:
    struct Row {
        std::optional<std::string_view> request_id;
        std::optional<ApiError> error;  ///< nothing: the row is the next one of allocations()
    };

    NumbersRequest() = default;
    NumbersRequest(const NumbersRequest&) = delete;
    NumbersRequest& operator=(const NumbersRequest&) = delete;

    /// In the order of the request.
    std::span<const Row> rows() const noexcept { return rows_; }
    /// Of the rows without error, in their order.
    std::span<const ringpool::AllocationRequest> allocations() const noexcept {
        return allocations_;
    }

    /// Forgets everything but the memory; a text buffer past `keep_bytes` is given back.
    void clear(std::size_t keep_bytes);

  private:
    friend class NumbersReader;
    std::vector<Row> rows_;
    std::vector<ringpool::AllocationRequest> allocations_;
    std::string contexts_;  ///< canonical contexts; never grows while views point into it
    std::string decoded_;   ///< texts that stood in the request with escapes; likewise
};

/// Reads requests for numbers, and checks all that can be checked without the store: form, limits
/// and keys. Does not suspend, so that one serves all requests of a reactor.
class NumbersReader {
  public:
    /// `catalog` must outlive the reader. Throws std::invalid_argument for limits that a context
    /// can't have.
    NumbersReader(const ringpool::Catalog& catalog, const ApiLimits& limits);
    ~NumbersReader();
    NumbersReader(NumbersReader&&) = delete;

    /// Reads the body of POST /numbers; http::Request::kBodyPadding bytes after it must be
    /// readable. `out` must be clear. Returns why the body as a whole is refused; then `out` must
    /// not be used. Only a row's own fault is the row's: the body is always read and checked to its
    /// end. Fields that the interface does not know are ignored.
    std::optional<ApiError> read_body(std::string_view body, NumbersRequest& out);

    /// Reads the query of GET /numbers or of a release: always one row, and never an error of the
    /// whole.
    void read_query(std::string_view query, NumbersRequest& out);

    /// Reads the body of the compatible bulk.json like read_body(): rows of "api_suffix", which is
    /// "POOL/allocate_number.json?ring_pool_key=KEY&..." with or without "/" and "ring_pools/"
    /// before it, and "request_id". The rows may be called "requests" or "request".
    std::optional<ApiError> read_bulk(std::string_view body, NumbersRequest& out);

    /// Reads the query of the compatible allocate_number like read_query(). All but its
    /// "ring_pool_key" is context.
    void read_allocate_number(std::string_view pool, std::string_view query, NumbersRequest& out);

  private:
    /// In whose words a request is made: our own, or those that we are compatible with.
    enum class Dialect : std::uint8_t { own, compatible };
    class BodyWalk;
    struct Fields;

    std::optional<ApiError> read_rows(std::string_view body, Dialect dialect, NumbersRequest& out);
    void read_suffix(Fields& fields);
    void read_pairs(std::string_view query, std::string& arena, Fields& fields);
    void finish_row(const Fields& fields, NumbersRequest& out);

    const ringpool::Catalog& catalog_;
    const ApiLimits limits_;
    ringpool::ContextBuilder context_;
    std::unique_ptr<JsonTokens> json_;
    std::string suffix_;  ///< decoded parts of one api_suffix, until its row is finished
};

}  // namespace ringmaster::api
