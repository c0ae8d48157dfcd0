#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response_parser.hpp"
#include "ringmaster/net/connection_pool.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::http {

/// What a client asks. A value.
struct ClientRequest {
    Method method = Method::get;
    std::string target = "/";  ///< origin-form, e.g. "/numbers?pool=autos"
    /// Host, Content-Length and Transfer-Encoding are the client's own.
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
};

/// An answer that was read as a whole.
struct ClientResponse {
    ResponseHead head;
    std::string body;
};

struct ClientOptions {
    std::chrono::milliseconds connect_timeout{2'000};
    std::chrono::milliseconds first_byte_timeout{10'000};  ///< from the request's end
    std::chrono::milliseconds total_timeout{30'000};  ///< of one call, whatever it has to wait for
    ResponseLimits limits;
    net::ConnectionPoolOptions pool{.name = "upstream"};
};

/// An HTTP/1.1 client of one origin, with connections that are kept alive. Calls suspend the
/// calling fiber only, and may be made by many at once. Redirects are answers like any other.
///
/// A request whose method is idempotent (RFC 9110, 9.2.2) is sent once more, over a new connection,
/// where a kept-alive one turns out to be closed before any byte came back (RFC 9112, 9.3.1).
class Client {
  public:
    using Connect = std::function<Result<std::unique_ptr<net::Stream>>(Deadline)>;
    /// Gives the next part of a body that is sent as it is made; nothing at its end. May suspend.
    using BodySource = std::function<std::optional<std::string>()>;
    /// Takes the next part of a body as it arrives; nothing more is read until it returns. May
    /// suspend, and may throw: then the connection is closed.
    using BodySink = std::function<void(const ResponseHead&, std::string_view)>;

    /// `host` is what stands in Host. The reactor must outlive the client.
    Client(runtime::Reactor& reactor, net::Endpoint endpoint, std::string host,
           ClientOptions options = {});
    /// Over any streams.
    Client(runtime::Scheduler& scheduler, Connect connect, std::string host,
           ClientOptions options = {});
    /// No call may be under way.
    ~Client();

    /// Suspends. ErrorCode::timeout where one of the options' or `deadline` passed first;
    /// ErrorCode::unavailable where nobody answers there; ErrorCode::closed where the connection
    /// was cut off; ErrorCode::invalid where the request can't be sent as it is, or the answer is
    /// none or exceeds a limit. Any status is a success.
    Result<ClientResponse> fetch(const ClientRequest& request, Deadline deadline = {});
    /// Suspends. The same with the answer's body given to `sink` as it arrives, which
    /// limits.body_bytes does not bound; and, where there is a `source`, the request's body taken
    /// from that, sent with the chunked coding. A request with a source is never sent again.
    Result<ResponseHead> stream(const ClientRequest& request, const BodySink& sink,
                                const BodySource& source = {}, Deadline deadline = {});

    /// Suspends. GET of `target`.
    Result<ClientResponse> get(std::string target, Deadline deadline = {}) {
        return fetch({.target = std::move(target), .fields = {}, .body = {}}, deadline);
    }

    net::ConnectionPoolStats stats() const noexcept;

  private:
    class Connection;
    using Pool = net::ConnectionPool<Connection>;

    /// What a call needs besides its request.
    struct Call {
        const ClientRequest& request;
        const BodySink& sink;
        const BodySource& source;
        Deadline deadline;
    };
    Result<ResponseHead> send(const Call& call);
    Result<std::string> head_of(const ClientRequest& request, bool has_source) const;

    runtime::Scheduler& scheduler_;
    const std::string host_;
    const ClientOptions options_;
    Pool pool_;
};

}  // namespace ringmaster::http
