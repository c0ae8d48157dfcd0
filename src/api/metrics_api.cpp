#include "ringmaster/api/metrics_api.hpp"

#include "ringmaster/ops/metrics_text.hpp"

#include <utility>

namespace ringmaster::api {

MetricsApi::MetricsApi(const AdminAccess& admin, ReadAccess access,
                       std::function<std::string()> collect)
    : admin_(admin), access_(access), collect_(std::move(collect)) {}

void MetricsApi::register_routes(http::Router& router) const {
    router.add(
        http::Method::get, "/metrics",
        admin_.guard_reading(access_, [this](const http::Request&, const http::PathParameters&,
                                             http::Response& response) { metrics(response); }));
}

void MetricsApi::metrics(http::Response& response) const {
    response.body = collect_();
    response.content_type = ops::MetricsText::kContentType;
}

}  // namespace ringmaster::api
