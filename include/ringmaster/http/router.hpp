#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"

#include <array>
#include <cstddef>
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
using Handler = std::function<void(const Request&, const PathParameters&, Response&)>;

/// Finds the handler for a request. Filled at start, then only read; a route without placeholders
/// is found without allocating.
class Router {
  public:
    /// `pattern` is a path whose segments are literal or a "{placeholder}" that matches one
    /// non-empty segment, e.g. "/numbers/{e164}". A literal goes before a placeholder: a path that
    /// fits both is the literal's for all methods. A handler for GET answers HEAD too. Throws
    /// std::invalid_argument for a malformed or repeated pattern.
    void add(Method method, std::string_view pattern, Handler handler);

    /// Calls the handler, or fills in 404, 405 with Allow (RFC 9110, 15.5.6), 400 for a malformed
    /// percent-encoding, 204 with Allow for OPTIONS, 501 for a method that it does not know
    /// (RFC 9110, 15.6.2).
    /// Errors carry a JSON body {"error_class","message"}.
    void handle(const Request& request, Response& response) const;

  private:
    static constexpr std::size_t kMethods = static_cast<std::size_t>(Method::other);
    using Handlers = std::array<Handler, kMethods>;  ///< empty where there is none

    /// What may follow a path so far: the tree's edges are segments.
    struct Node {
        std::string literal;  ///< the segment that leads here, decoded; empty for a placeholder
        std::vector<Node> literals;
        std::unique_ptr<Node> placeholder;
        std::unique_ptr<Handlers> handlers;  ///< null where no pattern ends
    };

    using MethodSet = std::array<bool, kMethods>;

    static const Handlers* find(const Node& node, std::string_view rest,
                                PathParameters& parameters);
    static MethodSet methods_of(const Handlers& handlers) noexcept;

    Node root_;
    MethodSet known_{};  ///< methods that some route has
};

/// Fills in an error in the form that all of them have: {"error_class": ..., "message": ...}.
void set_error(Response& response, int status, std::string_view error_class,
               std::string_view message);

}  // namespace ringmaster::http
