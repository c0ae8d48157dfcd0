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
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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
    std::size_t max_redirects = 0;  ///< that one call follows; 0: they are answers like any other
    std::size_t max_pipeline = 32;  ///< requests of pipeline() that go ahead of their answers; >= 1
    net::ConnectionPoolOptions pool{.name = "upstream"};
};

/// An HTTP/1.1 client of one origin, with connections that are kept alive. Calls suspend the
/// calling fiber only, and may be made by many at once.
///
/// A request whose method is idempotent (RFC 9110, 9.2.2) is sent once more, over a new connection,
/// where a kept-alive one turns out to be closed before any byte came back (RFC 9112, 9.3.1).
///
/// Redirects (RFC 9110, 15.4) are followed only where max_redirects allows it, and only within the
/// origin: one that leads elsewhere, or has no Location that makes sense, is an answer. 303, and
/// 301 and 302 to a POST, are followed by a GET without content; the others by the same request.
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
    /// none or exceeds a limit, or there are more redirects than max_redirects (not 0). Any status
    /// is a success.
    Result<ClientResponse> fetch(const ClientRequest& request, Deadline deadline = {});
    /// Suspends. The same with the answer's body given to `sink` as it arrives, which
    /// limits.body_bytes does not bound; and, where there is a `source`, the request's body taken
    /// from that, sent with the chunked coding. A request with a source is never sent again, not
    /// even where a redirect asks for it: that is the answer. `sink` is not given the content of
    /// redirects that are followed.
    Result<ResponseHead> stream(const ClientRequest& request, const BodySink& sink,
                                const BodySource& source = {}, Deadline deadline = {});

    /// Suspends. Asks all of them over one connection, and does not wait for one answer before it
    /// sends the next request (RFC 9112, 9.3.2). The answers, in the same order, each as from
    /// fetch(); redirects are not followed. Methods must be idempotent: where one is not, or a
    /// request can't be sent as it is, none is sent, and all fail with that.
    ///
    /// Ahead of their answers go at most max_pipeline requests and 16 KiB, so that neither side can
    /// wait for the other to read; the rest follows as answers come in. total_timeout and
    /// `deadline` are those of all together; first_byte_timeout counts anew from the end of each
    /// answer. Where the connection is closed between two answers, what is left is asked once more
    /// over a new one; where it breaks otherwise, what is left fails.
    std::vector<Result<ClientResponse>> pipeline(std::span<const ClientRequest> requests,
                                                 Deadline deadline = {});

    /// Suspends. GET of `target`.
    Result<ClientResponse> get(std::string target, Deadline deadline = {}) {
        return fetch({.target = std::move(target), .fields = {}, .body = {}}, deadline);
    }

    net::ConnectionPoolStats stats() const noexcept;

  private:
    class Connection;
    using Pool = net::ConnectionPool<Connection>;

    /// One request on its way, and the head of its answer.
    struct Exchange {
        const ClientRequest& request;
        std::string head;          ///< as it is sent
        const BodySource* source;  ///< null: the body is the request's own
        BodySink sink;
        ResponseHead answer{};
    };
    Result<ResponseHead> ask(const ClientRequest& request, const BodySource* source, BodySink sink,
                             Deadline deadline);
    Result<void> send(std::span<Exchange>& left, Deadline deadline);
    Result<std::string> head_of(const ClientRequest& request, bool has_source) const;
    Error too_long() const;

    runtime::Scheduler& scheduler_;
    const std::string host_;
    const ClientOptions options_;
    Pool pool_;
};

}  // namespace ringmaster::http
