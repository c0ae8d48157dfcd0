#include "ringmaster/api/history_api.hpp"

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/input.hpp"
#include "ringmaster/api/output.hpp"
#include "ringmaster/ringpool/context.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace ringmaster::api {

namespace {

using ringpool::Hold;

/// Adds what is told of a hold. `asked` is the time that the question was about.
void add_members(JsonObject& object, const Hold& hold, WallTime asked) {
    if (hold.detail == Hold::Detail::lost) {
        object.boolean("lost", true);
    } else {
        object.text("pool", hold.pool_id);
    }
    if (hold.detail == Hold::Detail::erased) object.boolean("erased", true);
    if (hold.detail == Hold::Detail::known) {
        if (hold.session_id) object.text("session", *hold.session_id);
        JsonObject context(object.value("context"));
        ringpool::Context(hold.context).for_each([&](std::string_view name, std::string_view text) {
            context.text(name, text);
        });
        context.end();
    }
    object.time("allocated_at", hold.allocated_at);
    object.time("last_touch", hold.last_touch);
    object.time("expires_at", hold.expires_at);
    object.time("free_at", hold.free_at);
    // A coarse clock may be a little before what has just begun.
    const WallTime at = std::max(asked, hold.allocated_at);
    const Hold::State state = hold.state_at(at);
    object.text("state", ringpool::to_string(state));
    if (state == Hold::State::held) return;
    object.time("ended_at", hold.expires_at);
    object.count("ended_seconds_ago",
                 std::chrono::floor<std::chrono::seconds>(at - hold.expires_at).count());
}

void set_failure(http::Response& response, runtime::Scheduler& scheduler, std::string_view doing,
                 const Error& error) {
    if (error.code != ErrorCode::damaged) return set_error(response, to_api_error(error));
    // Which file it is and where is the operator's business.
    const auto handle = scheduler.errors().report(
        doing, std::make_exception_ptr(std::runtime_error(error.message)));
    set_error(response, internal_error(handle));
}

}  // namespace

HistoryApi::HistoryApi(const AdminAccess& access, ringpool::HoldHistory& history,
                       runtime::Scheduler& scheduler, HistoryApiLimits limits)
    : access_(access), history_(history), scheduler_(scheduler), limits_(limits) {}

void HistoryApi::register_routes(http::Router& router) {
    using http::PathParameters;
    using http::Request;
    using http::Response;
    router.add(http::Method::get, "/numbers/{e164}",
               access_.guard(
                   [this](const Request& request, const PathParameters& parameters,
                          Response& response) { find_holder(request, parameters[0], response); }));
    router.add(http::Method::delete_, "/sessions/{session}",
               access_.guard([this](const Request& request, const PathParameters& parameters,
                                    Response& response) {
                   erase_session(request, parameters[0], response);
               }));
}

void HistoryApi::find_holder(const http::Request& request, std::string_view e164,
                             http::Response& response) {
    const auto number = read_e164(e164, response);
    if (!number) return;
    std::optional<std::string> at_text;
    std::optional<std::string> history_text;
    if (auto error = read_query(request.query(), {{"at", at_text}, {"history", history_text}})) {
        return set_error(response, *error);
    }
    std::optional<WallTime> at;
    if (at_text) {
        const auto time = read_time("at", *at_text);
        if (!time) return set_error(response, to_api_error(time.error()));
        at = *time;
    }
    std::size_t most = 1;
    if (history_text) {
        const auto count = read_count("history", *history_text, 1, limits_.max_holders);
        if (!count) return set_error(response, to_api_error(count.error()));
        most = *count;
    }

    const auto holders = history_.holders(*number, at, most, scheduler_.deadline());
    if (!holders) {
        return set_failure(response, scheduler_, "GET /numbers/" + number->e164(), holders.error());
    }
    if (holders->empty()) {
        return set_error(response, {ErrorClass::not_found, "nobody had " + number->e164() +
                                                               " then, as far back as the history "
                                                               "goes"});
    }
    const WallTime asked = at.value_or(scheduler_.wall_now());
    JsonObject answer(response.body);
    answer.number("number", *number);
    if (history_text) {
        append_json_array(answer.value("holders"), *holders, [&](const Hold& hold) {
            JsonObject holder(response.body);
            add_members(holder, hold, asked);
            holder.end();
        });
    } else {
        add_members(answer, holders->front(), asked);
    }
    answer.end();
}

void HistoryApi::erase_session(const http::Request& request, std::string_view session,
                               http::Response& response) {
    if (auto error = read_query(request.query(), {})) return set_error(response, *error);
    const auto erased = history_.erase(session);
    if (!erased) return set_failure(response, scheduler_, "DELETE /sessions", erased.error());
    JsonObject answer(response.body);
    answer.count("erased", static_cast<std::int64_t>(*erased));
    answer.end();
}

}  // namespace ringmaster::api
