#include "ringmaster/http/router.hpp"

#include "ringmaster/base/text.hpp"
#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

namespace ringmaster::http {

namespace {

constexpr std::size_t index(Method method) noexcept {
    return static_cast<std::size_t>(method);
}

/// Takes the first segment off a path: of "/a/b" it returns "a" and leaves "/b".
std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

template <class MethodSet>
void answer_with_allow(Response& response, const MethodSet& methods) {
    std::string allow;
    for (std::size_t i = 0; i < methods.size(); ++i) {
        if (!methods[i]) continue;
        if (!allow.empty()) allow += ", ";
        allow += to_string(static_cast<Method>(i));
    }
    response.add_header("Allow", allow);
}

}  // namespace

void Router::add(Method method, std::string_view pattern, Handler handler, Body body) {
    const auto refuse = [&](const char* why) {
        throw std::invalid_argument("route " + std::string(pattern) + ": " + why);
    };
    if (method == Method::other || !handler) refuse("no method or no handler");
    if (!pattern.starts_with('/')) refuse("does not begin with a slash");

    Node* node = &root_;
    std::string_view rest = pattern;
    while (!rest.empty()) {
        const std::string_view segment = take_segment(rest);
        if (segment.empty() && pattern != "/") refuse("an empty segment");
        if (segment.starts_with('{')) {
            if (segment.size() < 3 || segment.find_first_of("{}", 1) != segment.size() - 1) {
                refuse("malformed placeholder");
            }
            if (!node->placeholder) node->placeholder = std::make_unique<Node>();
            node = node->placeholder.get();
            continue;
        }
        if (segment.find_first_of("{}") != segment.npos) refuse("a brace within a segment");
        std::vector<Node>& literals = node->literals;
        auto next = std::find_if(literals.begin(), literals.end(),
                                 [&](const Node& n) { return n.literal == segment; });
        if (next == literals.end()) {
            next = literals.insert(next, Node());
            next->literal = segment;
        }
        node = &*next;
    }
    if (!node->routes) node->routes = std::make_unique<Routes>();
    Route& place = (*node->routes)[index(method)];
    if (place.handler) refuse("added before");
    place = {std::move(handler), body};
    has_streamed_ = has_streamed_ || body == Body::streamed;
    for (std::size_t i = 0; i < kMethods; ++i) known_[i] |= methods_of(*node->routes)[i];
}

/// The routes of the pattern that `rest`, the path from `node` on, fits. Its percent-encoding is
/// known to be sound.
const Router::Routes* Router::find(const Node& node, std::string_view rest,
                                   PathParameters& parameters) {
    if (rest.empty()) return node.routes.get();
    std::string_view segment = take_segment(rest);
    std::string decoded;
    if (segment.find('%') != segment.npos) {
        const bool sound = percent_decode(segment, false, decoded).ok();
        assert(sound);
        (void)sound;
        segment = decoded;
    }
    for (const Node& next : node.literals) {
        if (next.literal != segment) continue;
        if (const Routes* found = find(next, rest, parameters)) return found;
    }
    if (!node.placeholder || segment.empty()) return nullptr;
    parameters.emplace_back(segment);
    if (const Routes* found = find(*node.placeholder, rest, parameters)) return found;
    parameters.pop_back();
    return nullptr;
}

const Router::Route* Router::route_for(const Routes& routes, Method method) noexcept {
    if (method == Method::other) return nullptr;
    const Route* route = &routes[index(method)];
    if (!route->handler && method == Method::head) route = &routes[index(Method::get)];
    return route->handler ? route : nullptr;
}

Router::MethodSet Router::methods_of(const Routes& routes) noexcept {
    MethodSet methods{};
    for (std::size_t i = 0; i < kMethods; ++i) methods[i] = routes[i].handler != nullptr;
    methods[index(Method::head)] |= methods[index(Method::get)];
    methods[index(Method::options)] = true;
    return methods;
}

bool Router::streams_body(const Request& request) const {
    if (!has_streamed_ || !request.path().starts_with('/')) return false;
    std::string decoded;
    if (!percent_decode(request.path(), false, decoded)) return false;
    PathParameters parameters;
    const Routes* const routes = find(root_, request.path(), parameters);
    const Route* const route = routes != nullptr ? route_for(*routes, request.method()) : nullptr;
    return route != nullptr && route->body == Body::streamed;
}

void Router::handle(Request& request, Response& response) const {
    const Method method = request.method();
    const std::string_view path = request.path();
    if (method == Method::options && path == "*") {
        response.status = 204;
        return answer_with_allow(response, known_);
    }
    if (method == Method::other) {
        return set_error(response, 501, "NotImplemented", "this method is not known here");
    }
    if (path.find('%') != path.npos) {
        std::string decoded;
        const auto sound = percent_decode(path, false, decoded);
        if (!sound) {
            return set_error(response, 400, "InvalidInput",
                             "in the path: " + sound.error().message);
        }
    }
    PathParameters parameters;
    const Routes* const routes = path.starts_with('/') ? find(root_, path, parameters) : nullptr;
    if (!routes) return set_error(response, 404, "NotFound", "no resource has this path");

    if (const Route* const route = route_for(*routes, method)) {
        return route->handler(request, parameters, response);
    }

    response.status = 204;
    if (method != Method::options) {
        set_error(response, 405, "MethodNotAllowed", "this resource does not have this method");
    }
    answer_with_allow(response, methods_of(*routes));
}

void set_error(Response& response, int status, std::string_view error_class,
               std::string_view message) {
    response.status = status;
    response.content_type = "application/json";
    response.body = "{\"error_class\":";
    append_json_string(response.body, error_class);
    response.body += ",\"message\":";
    append_json_string(response.body, message);
    response.body += '}';
}

void set_unavailable(Response& response, std::string_view error_class, std::string_view message) {
    set_error(response, 503, error_class, message);
    response.add_header("Retry-After", "1");
}

}  // namespace ringmaster::http
