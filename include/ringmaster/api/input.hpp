#pragma once

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// What endpoints have in common in reading what clients send.
namespace ringmaster::api {

/// What a client sent, as it may stand in an error text, however long it is. Cut between
/// characters.
std::string shown(std::string_view text);

/// Why a body of JSON was refused: its first fault; where it has none, `refusal`. Throws
/// std::logic_error where there is neither.
ApiError why_refused(std::string_view body, std::string_view refusal);

/// The number that a path ends in; else fills in the answer that says what it should be.
std::optional<ringpool::PhoneNumber> read_e164(std::string_view text, http::Response& response);

struct QueryParameter {
    std::string_view name;
    std::optional<std::string>& value;  ///< is left as it is where the query has no such name
};
/// Reads a query in which nothing but these parameters may stand, each once at most.
std::optional<ApiError> read_query(std::string_view query,
                                   std::initializer_list<QueryParameter> parameters);

/// Reads decimal digits. ErrorCode::invalid says what `name` must be.
Result<std::size_t> read_count(std::string_view name, std::string_view text, std::size_t least,
                               std::size_t most);

/// Reads Unix seconds ("1795280400", "1795280400.25") or ISO 8601 with Z or an offset
/// ("2026-11-21T17:00:00Z", "2026-11-21T18:00:00.25+01:00"), of the years 1970 to 9999. Fractions
/// have one to nine digits; what is less than a millisecond is cut off. A blank in place of the
/// offset's plus is taken for one: that is what "+" means in a query. ErrorCode::invalid says what
/// `name` must be.
Result<WallTime> read_time(std::string_view name, std::string_view text);

}  // namespace ringmaster::api
