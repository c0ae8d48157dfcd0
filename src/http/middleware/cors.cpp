#include "ringmaster/http/middleware/cors.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

/// "A, B, C". Throws where one is not a token.
std::string joined(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) {
        if (!is_token(name)) throw std::invalid_argument("CORS: '" + name + "' is not a name");
        list.append(list.empty() ? "" : ", ") += name;
    }
    return list;
}

/// What is the same for all requests, made once.
struct Policy {
    explicit Policy(CorsOptions&& options)
        : any_origin(options.origins == std::vector<std::string>{"*"}),
          origins(std::move(options.origins)),
          methods(joined(options.methods)),
          request_fields(joined(options.request_fields)),
          exposed_fields(joined(options.exposed_fields)),
          credentials(options.credentials),
          max_age(std::to_string(options.max_age.count())) {
        if (origins.empty()) throw std::invalid_argument("CORS: no origins");
        if (!any_origin && !std::ranges::all_of(origins, is_origin)) {
            throw std::invalid_argument("CORS: what is neither an origin nor \"*\" alone");
        }
        if (any_origin && credentials) {
            throw std::invalid_argument("CORS: credentials for all origins");
        }
    }

    /// Adds what tells whether the answer may be read. False: nothing does.
    bool allow_origin(const Request& request, Response& response) const {
        if (any_origin) {
            response.add_header("Access-Control-Allow-Origin", "*");
            return true;
        }
        response.add_header("Vary", "Origin");  // of every answer: caches have to tell them apart
        const auto origin = request.header("Origin");
        if (!origin || !std::ranges::count(origins, *origin)) return false;
        response.add_header("Access-Control-Allow-Origin", *origin);
        if (credentials) response.add_header("Access-Control-Allow-Credentials", "true");
        return true;
    }
    void answer_preflight(Response& response) const {
        response.status = 204;
        response.add_header("Access-Control-Allow-Methods", methods);
        if (!request_fields.empty()) {
            response.add_header("Access-Control-Allow-Headers", request_fields);
        }
        response.add_header("Access-Control-Max-Age", max_age);
    }

    bool any_origin;
    std::vector<std::string> origins;
    std::string methods;
    std::string request_fields;
    std::string exposed_fields;
    bool credentials;
    std::string max_age;
};

bool is_preflight(const Request& request) {
    return request.method() == Method::options && request.header("Origin") &&
           request.header("Access-Control-Request-Method");
}

}  // namespace

bool is_origin(std::string_view text) noexcept {
    const std::size_t colon = text.find("://");
    if (colon == text.npos || colon == 0 || !is_alpha(text.front())) return false;
    const std::string_view host = text.substr(colon + 3);
    static constexpr CharacterSet kScheme("+-.");
    return !host.empty() && is_authority(host) &&
           std::ranges::all_of(text.substr(0, colon), [](char c) { return kScheme.contains(c); }) &&
           std::ranges::none_of(text, [](char c) { return c == '*' || to_lower(c) != c; });
}

Middleware cors(CorsOptions options) {
    const auto policy = std::make_shared<const Policy>(std::move(options));
    return [policy](RequestHandler next) -> RequestHandler {
        return [policy, next = std::move(next)](Request& request, Response& response) {
            const bool allowed = policy->allow_origin(request, response);
            if (allowed && is_preflight(request)) return policy->answer_preflight(response);
            if (allowed && !policy->exposed_fields.empty()) {
                response.add_header("Access-Control-Expose-Headers", policy->exposed_fields);
            }
            next(request, response);
        };
    };
}

}  // namespace ringmaster::http
