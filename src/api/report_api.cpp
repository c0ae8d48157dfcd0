#include "ringmaster/api/report_api.hpp"

#include <utility>

namespace ringmaster::api {

ReportApi::ReportApi(const AdminAccess& admin, Route route, std::function<std::string()> collect)
    : admin_(admin), route_(route), collect_(std::move(collect)) {}

void ReportApi::register_routes(http::Router& router) const {
    router.add(http::Method::get, route_.path,
               admin_.guard_reading(route_.access,
                                    [this](const http::Request&, const http::PathParameters&,
                                           http::Response& response) { report(response); }));
}

void ReportApi::report(http::Response& response) const {
    response.body = collect_();
    response.content_type = route_.content_type;
}

}  // namespace ringmaster::api
