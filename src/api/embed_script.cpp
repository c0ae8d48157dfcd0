#include "ringmaster/api/embed_script.hpp"

#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/middleware/etag.hpp"

namespace ringmaster::api {

void register_embed_script(http::Router& router) {
    const auto answer = [](const http::Request&, http::Response& response) {
        response.content_type = "text/javascript; charset=utf-8";
        // For how long a page may run the script of the version before.
        response.add_header("Cache-Control", "public, max-age=3600");
        // Pages that take nothing from other sites unasked (COEP) may have this.
        response.add_header("Cross-Origin-Resource-Policy", "cross-origin");
        response.body.assign(embed_script_text());
    };
    router.add(http::Method::get, "/embed.js",
               [handler = http::layered({http::etag()}, answer)](
                   http::Request& request, const http::PathParameters&, http::Response& response) {
                   handler(request, response);
               });
}

}  // namespace ringmaster::api
