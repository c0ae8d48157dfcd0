#include "call_rules.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace ringmaster::redis {
namespace {

template <std::size_t N>
bool is_one_of(const Reply& reply, const std::string_view (&codes)[N]) noexcept {
    return std::ranges::any_of(codes, [&](std::string_view code) { return reply.is_error(code); });
}

}  // namespace

bool is_for_later(const Reply& reply) noexcept {
    static constexpr std::string_view kCodes[] = {"LOADING",    "BUSY",        "READONLY",
                                                  "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"};
    return reply.is_error() && is_one_of(reply, kCodes);
}

bool refuses_us(const Reply& reply) noexcept {
    static constexpr std::string_view kCodes[] = {"NOAUTH", "WRONGPASS", "NOPERM"};
    return reply.is_error() && is_one_of(reply, kCodes);
}

Next settle(Call& call, Request& request, unsigned losses) {
    if (request.answered()) {
        if (is_for_later(request.reply())) {
            call.answer = Error{ErrorCode::unavailable, "Redis says: " + request.reply().text};
            return Next::again_later;
        }
        if (refuses_us(request.reply())) {
            call.answer = Error{ErrorCode::unavailable, "Redis says: " + request.reply().text};
            return Next::done;
        }
        call.answer = std::move(request.answer());
        return Next::done;
    }
    if (request.outcome() != Request::Outcome::lost) {
        call.answer = std::move(request.answer());
        return Next::done;
    }
    call.answer = Error{ErrorCode::unavailable,
                        "the connection to Redis was lost: " + request.error().message};
    const bool may_be_repeated = call.repeatable || !request.maybe_sent();
    return may_be_repeated && losses < kMostLosses ? Next::again_now : Next::done;
}

std::chrono::milliseconds LaterPauses::next() {
    std::uniform_int_distribution<std::chrono::milliseconds::rep> jitter(pause_.count() / 2,
                                                                         pause_.count());
    pause_ = std::min(2 * pause_, kMost);
    return std::chrono::milliseconds(jitter(random_));
}

ServerOptions server_options(const ClientOptions& options) {
    return {
        .login = {.user = options.url.user,
                  .password = options.url.password,
                  .database = options.url.database,
                  .client_name = options.client_name},
        .connection = {.replies = {.max_reply_bytes = options.max_reply_bytes},
                       .max_queued_bytes = options.max_queued_bytes,
                       .max_pending = options.max_pending_calls,
                       .ping_period = options.ping_period,
                       .silence_timeout = options.silence_timeout},
        .connect_timeout = options.connect_timeout,
        .reconnect_first = options.reconnect_first,
        .reconnect_most = options.reconnect_most,
        .pool = options.pool,
    };
}

}  // namespace ringmaster::redis
