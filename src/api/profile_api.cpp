#include "ringmaster/api/profile_api.hpp"

#include <utility>

namespace ringmaster::api {

ProfileApi::ProfileApi(const AdminAccess& access, std::function<std::string()> collect)
    : access_(access), collect_(std::move(collect)) {}

void ProfileApi::register_routes(http::Router& router) const {
    router.add(http::Method::get, "/profile",
               access_.guard([this](const http::Request&, const http::PathParameters&,
                                    http::Response& response) { profile(response); }));
}

void ProfileApi::profile(http::Response& response) const {
    response.body = collect_();
    response.content_type = "text/plain; charset=utf-8";
}

}  // namespace ringmaster::api
