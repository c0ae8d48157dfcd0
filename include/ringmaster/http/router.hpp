#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::http {

/// The values of a pattern's {placeholders}, percent-decoded, in order.
using PathParameters = std::vector<std::string>;

/// Answers one request. Runs in a fiber of its own and may suspend; what it throws becomes a 500
/// with an error handle.
using Handler = std::function<void(Request&, const PathParameters&, Response&)>;

/// How a handler gets the content of its requests.
enum class Body : std::uint8_t {
    whole,     ///< Request::body(); the handler begins when all of it is there
    streamed,  ///< Request::read_body(); the handler begins when the header section is there
};

/// Finds the handler for a request. Filled at start, then only read; a route without placeholders
/// is found without allocating.
class Router {
  public:
    /// `pattern` is a path whose segments are literal or a "{placeholder}" that matches one
    /// non-empty segment, e.g. "/numbers/{e164}". A literal goes before a placeholder: a path that
    /// fits both is the literal's for all methods. A handler for GET answers HEAD too. Throws
    /// std::invalid_argument for a malformed or repeated pattern.
    void add(Method method, std::string_view pattern, Handler handler, Body body = Body::whole);

    /// Calls the handler, or fills in 404, 405 with Allow (RFC 9110, 15.5.6), 400 for a malformed
    /// percent-encoding, 204 with Allow for OPTIONS, 501 for a method that it does not know
    /// (RFC 9110, 15.6.2).
    /// Errors carry a JSON body {"error_class","message"}.
    void handle(Request& request, Response& response) const;

    /// Whether the handler for a request takes its content as it comes. Only the request's head is
    /// looked at.
    bool streams_body(const Request& request) const;

  private:
    static constexpr std::size_t kMethods = static_cast<std::size_t>(Method::other);
    struct Route {
        Handler handler;  ///< empty: there is none
        Body body = Body::whole;
    };
    using Routes = std::array<Route, kMethods>;  ///< of one pattern

    /// What may follow a path so far: the tree's edges are segments.
    struct Node {
        std::string literal;  ///< the segment that leads here, decoded; empty for a placeholder
        std::vector<Node> literals;
        std::unique_ptr<Node> placeholder;
        std::unique_ptr<Routes> routes;  ///< null where no pattern ends
    };

    using MethodSet = std::array<bool, kMethods>;

    static const Routes* find(const Node& node, std::string_view rest, PathParameters& parameters);
    static const Route* route_for(const Routes& routes, Method method) noexcept;
    static MethodSet methods_of(const Routes& routes) noexcept;

    Node root_;
    MethodSet known_{};  ///< methods that some route has
    bool has_streamed_ = false;
};

/// Fills in an error in the form that all of them have: {"error_class": ..., "message": ...}.
void set_error(Response& response, int status, std::string_view error_class,
               std::string_view message);
/// The same with 503 and Retry-After: trying again later may help.
void set_unavailable(Response& response, std::string_view error_class, std::string_view message);

}  // namespace ringmaster::http
