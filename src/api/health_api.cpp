#include "ringmaster/api/health_api.hpp"

#include <string_view>
#include <utility>

namespace ringmaster::api {

namespace {

void set_text(http::Response& response, std::string_view text) {
    response.content_type = "text/plain";
    response.body.assign(text);
}

void set_not_ready(http::Response& response, std::string_view why) {
    response.status = 503;
    response.add_header("Retry-After", "1");
    set_text(response, why);
    response.body += '\n';
}

}  // namespace

HealthApi::HealthApi(const ringpool::Store& store, std::function<bool()> draining)
    : store_(store), draining_(std::move(draining)) {}

void HealthApi::register_routes(http::Router& router) const {
    const auto add = [&](std::string_view path, void (HealthApi::*answer)(http::Response&) const) {
        router.add(http::Method::get, path,
                   [this, answer](const http::Request&, const http::PathParameters&,
                                  http::Response& response) { (this->*answer)(response); });
    };
    add("/ping", &HealthApi::ping);
    add("/healthz", &HealthApi::healthz);
    add("/readyz", &HealthApi::readyz);
}

void HealthApi::ping(http::Response& response) const {
    set_text(response, "pong");
}

void HealthApi::healthz(http::Response& response) const {
    set_text(response, "alive\n");
}

void HealthApi::readyz(http::Response& response) const {
    if (draining_()) return set_not_ready(response, "draining");
    if (const auto ready = store_.ready(); !ready) {
        return set_not_ready(response, ready.error().message);
    }
    set_text(response, "ready\n");
}

}  // namespace ringmaster::api
