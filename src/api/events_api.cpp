#include "ringmaster/api/events_api.hpp"

#include "ringmaster/api/input.hpp"
#include "ringmaster/http/event_stream.hpp"
#include "ringmaster/http/query.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::api {

using ringpool::EventPositions;
using ringpool::EventType;
using ringpool::EventTypes;

namespace {

constexpr EventTypes kUsual{EventType::allocation, EventType::overflow, EventType::release};
constexpr EventTypes kAll{EventType::allocation, EventType::touch, EventType::overflow,
                          EventType::release};
/// Of an id, which may come from a daemon with another number of shards.
constexpr std::size_t kMostPositions = 256;

ApiError invalid(std::string message) {
    return {ErrorClass::invalid_input, std::move(message)};
}

std::optional<EventTypes> read_types(std::string_view text) {
    EventTypes types;
    while (true) {
        const std::size_t comma = std::min(text.find(','), text.size());
        std::optional<EventType> type;
        for (std::size_t i = 0; i < ringpool::kEventTypes; ++i) {
            const auto one = static_cast<EventType>(i);
            if (kAll.has(one) && text.substr(0, comma) == to_string(one)) type = one;
        }
        if (!type) return std::nullopt;
        types = types | EventTypes{*type};
        if (comma == text.size()) return types;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace

EventsApi::EventsApi(const AdminAccess& access, const ringpool::Catalog& catalog,
                     runtime::Scheduler& scheduler, std::vector<ringpool::EventSource*> sources,
                     EventsApiOptions options)
    : access_(access),
      catalog_(catalog),
      scheduler_(scheduler),
      options_(options),
      hub_(scheduler, std::move(sources), options.hub) {}

void EventsApi::register_routes(http::Router& router) {
    router.add(http::Method::get, "/events",
               access_.guard([this](const http::Request& request, const http::PathParameters&,
                                    http::Response& response) { follow(request, response); }));
}

std::optional<ApiError> EventsApi::read_wish(const http::Request& request, Wish& wish) const {
    std::string arena;
    arena.reserve(request.query().size());
    http::QueryReader reader(request.query());
    std::optional<EventTypes> types;
    if (const auto id = request.header("Last-Event-ID"); id && !id->empty()) {
        if (auto error = read_position("Last-Event-ID", *id, wish)) return error;
    }
    while (true) {
        const auto pair = reader.next(arena);
        if (!pair) return to_api_error(pair.error());
        if (!*pair) break;
        const auto& [name, value] = **pair;
        if (name == "pool") {
            if (!catalog_.find(value)) return invalid("there is no pool '" + shown(value) + "'");
            wish.filter.pools.emplace_back(value);
        } else if (name == "type") {
            const auto more = read_types(value);
            if (!more) {
                return invalid("'type' is '" + shown(value) +
                               "'; expected some of allocation,touch,overflow,release");
            }
            types = types.value_or(EventTypes()) | *more;
        } else if (name == "after") {
            if (auto error = read_position("after", value, wish)) return error;
        } else {
            return invalid("'" + shown(name) + "' is no parameter of this");
        }
    }
    wish.filter.types = types.value_or(kUsual);
    return std::nullopt;
}

std::optional<ApiError> EventsApi::read_position(std::string_view name, std::string_view text,
                                                 Wish& wish) const {
    auto positions = ringpool::parse_event_positions(text, kMostPositions);
    if (!positions) {
        return invalid("'" + std::string(name) + "' is '" + shown(text) +
                       "'; expected the id of an event");
    }
    // Of another number of shards none has written on where one of those was.
    const auto any = positions->front();
    positions->resize(hub_.sources(), any);
    // A browser that comes back asks for the address as it did first, and knows better now.
    if (!wish.after) wish.after = *std::move(positions);
    return std::nullopt;
}

void EventsApi::follow(const http::Request& request, http::Response& response) {
    Wish wish;
    if (const auto error = read_wish(request, wish)) return set_error(response, *error);
    const auto unavailable = [&](std::string why) {
        set_error(response, {ErrorClass::service_unavailable, std::move(why)});
    };
    if (hub_.is_stopped()) return unavailable("the daemon is stopping");
    if (hub_.is_full()) {
        return unavailable("there are " + std::to_string(hub_.readers()) +
                           " readers of events already, as many as may be");
    }
    try {
        EventHub::Reader reader(hub_, std::move(wish.filter), std::move(wish.after));
        reader.await_sources();
        http::set_event_stream(response);
        std::string beginning;
        http::append_retry(beginning, kRetry);
        response.write(beginning);
        if (request.method() != http::Method::head) send_events(reader, response);
    } catch (const runtime::NoFiber&) {
        unavailable("too many requests are in flight");
    }
}

void EventsApi::send_events(EventHub::Reader& reader, http::Response& response) {
    std::string text;
    SteadyTime sent = scheduler_.now();
    while (!hub_.is_stopped()) {
        text.clear();
        const SteadyTime ping = sent + options_.ping;
        reader.read(text, kWriteBytes, Deadline::at(ping));
        if (text.empty()) {
            if (scheduler_.now() < ping) continue;
            // An event without data is seen by nobody, but its id is kept.
            text.append(": ping\nid: ").append(to_text(reader.positions())).append("\n\n");
        }
        response.write(text);
        sent = scheduler_.now();
    }
}

}  // namespace ringmaster::api
