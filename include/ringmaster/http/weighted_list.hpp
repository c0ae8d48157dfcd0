#pragma once

#include <string_view>

namespace ringmaster::http {

/// One member of a list in which a client weighs what it would take (RFC 9110, 12.4.2): Accept,
/// Accept-Encoding and such.
struct Weighted {
    std::string_view value;  ///< "text/plain" or "gzip"; parameters are left out
    int thousandths;         ///< 0 (not at all) to 1000, which is also what no weight means
};

/// Takes the first member off a list, which must not be empty. A member without a value is one of
/// those that RFC 9110, 5.6.1.2, wants to be skipped.
Weighted take_weighted(std::string_view& list) noexcept;

}  // namespace ringmaster::http
