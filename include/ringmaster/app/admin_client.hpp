#pragma once

#include "ringmaster/base/result.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// Where a daemon listens, and what it wants to be shown.
struct AdminAddress {
    std::string host;   ///< a name or a numeric address
    std::string port;   ///< a number
    std::string token;  ///< secret
};

/// Reads "http://HOST:PORT", with or without a slash at the end; an IPv6 address stands in
/// brackets. The token is left empty. ErrorCode::invalid says what is expected.
Result<AdminAddress> parse_admin_url(std::string_view url);

/// "127.0.0.1:8080", "[::1]:8080".
std::string to_string(const AdminAddress& address);

/// `text` as one segment of a path or one value of a query (RFC 3986, 2.3: all but unreserved
/// characters are encoded).
std::string percent_encode(std::string_view text);

struct AdminRequest {
    std::string method;
    std::string target;
    std::string body = {};
    std::string content_type = {};        ///< of the body, if there is one
    std::chrono::seconds time_limit{60};  ///< until the whole answer is there
};

struct AdminAnswer {
    int status = 0;
    std::string body;
};

/// Why the daemon did not do it, in its own words: for an answer that is none of 2xx. not_found
/// where what was named is not there.
Error error_of(const AdminAnswer& answer);

/// How a command asks a daemon. Fails where there is no answer, not where it is a bad one.
using AskAdmin = std::function<Result<AdminAnswer>(const AdminRequest&)>;

/// Talks to one daemon over one connection, which it keeps. Blocks.
class AdminClient {
  public:
    static constexpr std::size_t kMaxAnswerBytes = 256 * 1024 * 1024;

    explicit AdminClient(AdminAddress address);
    ~AdminClient();

    /// Connects where it must. ErrorCode::unavailable where nobody listens, or the connection
    /// breaks; ErrorCode::timeout.
    Result<AdminAnswer> ask(const AdminRequest& request);

  private:
    class Connection;

    AdminAddress address_;
    std::unique_ptr<Connection> connection_;
};

}  // namespace ringmaster::app
