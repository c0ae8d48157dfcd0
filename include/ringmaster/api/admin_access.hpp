#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/secret.hpp"

#include <cstddef>
#include <string_view>

namespace ringmaster::api {

/// Who may read what tells how the daemon is.
enum class ReadAccess { everybody, admin };

/// Lets nobody but the administrator pass: who shows the token of the configuration as
/// "Authorization: Bearer TOKEN" (RFC 6750, 2.1). How long a comparison takes depends on what was
/// shown alone.
class AdminAccess {
  public:
    static constexpr std::size_t kMaxTokenBytes = ringpool::Secret::kMaxBytes;

    /// An empty token: nobody may. Throws std::invalid_argument for one of more than kMaxTokenBytes
    /// bytes.
    explicit AdminAccess(std::string_view token);

    /// Whether the request may go on; else fills in the answer that says why not: 401 without a
    /// token, 403 with a wrong one or where none is configured.
    bool check(const http::Request& request, http::Response& response) const;

    /// `handler` behind check(). No answer, good or bad, may be kept by a cache. This must outlive
    /// the result.
    http::Handler guard(http::Handler handler) const;

    /// `handler`, for all or behind a check that a browser can pass, too: it takes the token also
    /// as the password of any user ("Authorization: Basic", RFC 7617), asks for it, and sends it
    /// along with everything that a page asks for. A page of another site can make a browser send
    /// it, so this is for what changes nothing. This must outlive the result.
    http::Handler guard_reading(ReadAccess access, http::Handler handler) const;

  private:
    bool check_reader(const http::Request& request, http::Response& response) const;
    bool refuse_unconfigured(http::Response& response) const;

    bool configured_;
    ringpool::Secret token_;
};

}  // namespace ringmaster::api
