#include "ringmaster/api/status_api.hpp"

namespace ringmaster::api {

StatusApi::StatusApi(const AdminAccess& admin, ReadAccess access, StatusFeed& feed)
    : admin_(admin), access_(access), feed_(feed) {}

void StatusApi::register_routes(http::Router& router) const {
    const auto add = [&](std::string_view path, void (StatusApi::*answer)(http::Response&) const) {
        router.add(
            http::Method::get, path,
            admin_.guard_reading(
                access_, [this, answer](const http::Request&, const http::PathParameters&,
                                        http::Response& response) { (this->*answer)(response); }));
    };
    add("/status", &StatusApi::page);
    add("/status/stream", &StatusApi::stream);
}

void StatusApi::page(http::Response& response) const {
    response.content_type = "text/html; charset=utf-8";
    // Nothing comes from anywhere else, and nobody may frame it.
    response.add_header("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; script-src "
                        "'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
                        "form-action 'none'; frame-ancestors 'none'");
    response.body = status_page();
}

}  // namespace ringmaster::api
