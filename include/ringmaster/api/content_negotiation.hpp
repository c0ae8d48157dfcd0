#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"

#include <cstdint>

namespace ringmaster::api {

/// Whether a client would rather have text/plain than application/json, going by its Accept fields
/// (RFC 9110, 12.5.1). JSON where both are equally welcome, or neither is.
bool prefers_plain_text(const http::Request& request);
/// The same of text/csv.
bool prefers_csv(const http::Request& request);

/// What the content of a request is declared to be.
enum class ContentKind : std::uint8_t {
    json,   ///< or nothing is declared; any type that ends in "+json", too
    lines,  ///< text/plain or text/csv
    other,
};
ContentKind content_kind(const http::Request& request);

/// Whether the content can be read as it stands, or else fills in the answer that says why not
/// (415), with what would be accepted: without Content-Encoding ...
bool check_uncoded(const http::Request& request, http::Response& response);
/// ... and JSON ...
bool check_json(const http::Request& request, http::Response& response);
/// ... or lines as well.
bool check_json_or_lines(const http::Request& request, http::Response& response);

}  // namespace ringmaster::api
