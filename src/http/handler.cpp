#include "ringmaster/http/handler.hpp"

#include <ranges>
#include <utility>

namespace ringmaster::http {

RequestHandler layered(std::vector<Middleware> layers, RequestHandler handler) {
    for (Middleware& layer : layers | std::views::reverse) handler = layer(std::move(handler));
    return handler;
}

}  // namespace ringmaster::http
