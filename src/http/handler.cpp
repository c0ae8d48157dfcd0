#include "ringmaster/http/handler.hpp"

#include <utility>

namespace ringmaster::http {

RequestHandler layered(std::vector<Middleware> layers, RequestHandler handler) {
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
        handler = (*layer)(std::move(handler));
    }
    return handler;
}

}  // namespace ringmaster::http
