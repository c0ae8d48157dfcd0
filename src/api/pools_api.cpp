#include "ringmaster/api/pools_api.hpp"

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/content_negotiation.hpp"
#include "ringmaster/api/input.hpp"
#include "ringmaster/api/output.hpp"
#include "ringmaster/api/pool_input.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

namespace ringmaster::api {

namespace {

using ringpool::NumbersChange;
using ringpool::NumberState;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolFigures;

std::int64_t signed_count(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

void set_no_pool(http::Response& response, std::string_view id) {
    set_error(response, {ErrorClass::not_found, "there is no pool '" + shown(id) + "'"});
}

/// A failure of a call about the pool with this id.
void set_failure(http::Response& response, std::string_view id, const Error& error) {
    if (error.code == ErrorCode::not_found) return set_no_pool(response, id);
    set_error(response, to_api_error(error));
}

/// Of a number from 0 to 1, with four decimals.
void append_ratio(std::string& out, std::size_t part, std::size_t whole) {
    char text[32];
    const double ratio = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
    std::snprintf(text, sizeof text, "%.4f", ratio);
    out += text;
}

void append_figures(std::string& out, const PoolFigures& figures) {
    const ringpool::PoolCounters& counters = figures.counters;
    JsonObject object(out);
    object.count("size", signed_count(figures.numbers));
    object.count("held", signed_count(figures.held));
    object.count("cooling", signed_count(figures.cooling));
    object.count("free", signed_count(figures.free));
    object.count("draining", signed_count(figures.draining));
    append_ratio(object.value("utilisation"), figures.held + figures.cooling, figures.numbers);
    object.count("allocations", signed_count(counters.allocations));
    object.count("new_holds", signed_count(counters.new_holds));
    object.count("releases", signed_count(counters.releases));
    JsonObject overflows(object.value("overflows"));
    for (std::size_t i = 0; i < ringpool::kOverflowReasons; ++i) {
        overflows.count(ringpool::to_string(static_cast<OverflowReason>(i)),
                        signed_count(counters.overflows[i]));
    }
    overflows.end();
    object.count("early_reissues", signed_count(counters.early_reissues));
    object.end();
}

enum class Key : bool { hidden, told };

void append_pool(std::string& out, const PoolDefinition& pool, const PoolFigures& figures,
                 Key key) {
    JsonObject object(out);
    object.text("id", pool.id);
    object.text("name", pool.name);
    if (key == Key::told) object.text("key", pool.key);
    object.count("lifetime_seconds", pool.lifetime.count());
    object.count("cooldown_seconds", pool.cooldown.count());
    object.count("max_hold_seconds", pool.max_hold.count());
    object.boolean("allow_overflow", pool.allow_overflow);
    if (pool.overflow.number) {
        object.number("overflow_number", pool.overflow.number);
    } else {
        object.value("overflow_number") += "null";
    }
    object.text("tracking_url", pool.tracking_url);
    object.text("default_region", pool.default_region);
    append_figures(object.value("figures"), figures);
    object.end();
}

std::string_view to_string(NumberState::State state) noexcept {
    switch (state) {
        case NumberState::State::free: return "free";
        case NumberState::State::held: return "held";
        case NumberState::State::cooling: break;
    }
    return "cooling";
}

void append_page(std::string& out, const ringpool::NumberPage& page) {
    JsonObject object(out);
    append_json_array(object.value("numbers"), page.numbers, [&](const NumberState& number) {
        JsonObject row(out);
        row.number("number", number.number.number);
        row.text("formatted", number.number.formatted.view());
        row.text("state", to_string(number.state));
        if (number.draining) row.boolean("draining", true);
        if (number.state != NumberState::State::free) row.time("free_at", number.free_at);
        row.end();
    });
    if (page.next != 0) object.count("next", signed_count(page.next));
    object.end();
}

void append_csv_page(std::string& out, const ringpool::NumberPage& page) {
    out += "number,formatted,state\n";
    for (const NumberState& number : page.numbers) {
        number.number.number.append_e164(out);
        out += ',';
        append_csv_field(out, number.number.formatted.view());
        out.append(",").append(to_string(number.state)).append("\n");
    }
}

void append_change(std::string& out, const NumbersChange& change, std::size_t numbers) {
    JsonObject object(out);
    const auto add = [&](std::string_view name, const std::vector<PhoneNumber>& list) {
        append_json_array(object.value(name), list, [&](PhoneNumber number) {
            out += '"';
            number.append_e164(out);
            out += '"';
        });
    };
    add("added", change.added);
    add("removed", change.removed);
    add("draining", change.draining);
    object.count("numbers", signed_count(numbers));
    object.end();
}

/// The numbers that stood in the way of a change, the first few with their reasons.
void set_refused(http::Response& response, const Refusals& refusals) {
    response.status = http_status(ErrorClass::invalid_input);
    std::string& out = response.body;
    JsonObject object(out);
    object.text("error_class", to_string(ErrorClass::invalid_input));
    object.text("message", "nothing was changed, because some numbers are refused: " +
                               std::to_string(refusals.count));
    append_json_array(object.value("refused"), refusals.first, [&](const RefusedText& refused) {
        JsonObject row(out);
        if (!refused.where.empty()) row.count(refused.where, signed_count(refused.place));
        if (!refused.list.empty()) row.text("list", refused.list);
        row.text("text", refused.text).text("reason", refused.reason);
        row.end();
    });
    const std::size_t more = refusals.count - refusals.first.size();
    if (more > 0) object.count("more", signed_count(more));
    object.end();
}

}  // namespace

PoolsApi::PoolsApi(const AdminAccess& access, const ringpool::Catalog& catalog,
                   ringpool::PoolAdministration& pools, runtime::HelperThread& import_helper,
                   PoolsApiLimits limits)
    : access_(access), catalog_(catalog), pools_(pools), helper_(import_helper), limits_(limits) {}

void PoolsApi::register_routes(http::Router& router) {
    using http::Method;
    using http::Request;
    using http::Response;
    using Parameters = http::PathParameters;
    const auto add = [&](Method method, std::string_view pattern, http::Handler handler) {
        router.add(method, pattern, access_.guard(std::move(handler)));
    };
    add(Method::get, "/pools",
        [this](const Request&, const Parameters&, Response& response) { list_pools(response); });
    add(Method::get, "/pools/{id}",
        [this](const Request&, const Parameters& parameters, Response& response) {
            show_pool(parameters[0], response);
        });
    add(Method::put, "/pools/{id}",
        [this](const Request& request, const Parameters& parameters, Response& response) {
            put_pool(request, parameters[0], response);
        });
    add(Method::delete_, "/pools/{id}",
        [this](const Request&, const Parameters& parameters, Response& response) {
            remove_pool(parameters[0], response);
        });
    const auto add_for_numbers =
        [&](Method method, void (PoolsApi::*handler)(const Request&, std::string_view, Response&)) {
            add(method, "/pools/{id}/numbers",
                [this, handler](const Request& request, const Parameters& parameters,
                                Response& response) {
                    (this->*handler)(request, parameters[0], response);
                });
        };
    add_for_numbers(Method::get, &PoolsApi::list_numbers);
    add_for_numbers(Method::put, &PoolsApi::set_numbers);
    add_for_numbers(Method::post, &PoolsApi::add_numbers);
    add_for_numbers(Method::patch, &PoolsApi::edit_numbers);
    add(Method::delete_, "/pools/{id}/numbers/{e164}",
        [this](const Request&, const Parameters& parameters, Response& response) {
            remove_number(parameters[0], parameters[1], response);
        });
}

void PoolsApi::list_pools(http::Response& response) {
    // Others may change the catalog while figures are counted.
    std::vector<std::string> ids;
    catalog_.for_each([&](auto, const PoolDefinition& pool) { ids.push_back(pool.id); });
    std::string& out = response.body;
    out += "{\"pools\":[";
    for (const std::string& id : ids) {
        const auto figures = pools_.figures(id);
        const auto pool = catalog_.find(id);
        if (!pool) continue;
        if (!figures) {
            out.clear();
            return set_failure(response, id, figures.error());
        }
        if (out.back() != '[') out += ',';
        append_pool(out, catalog_.at(*pool), *figures, Key::hidden);
    }
    out += "]}";
}

void PoolsApi::show_pool(std::string_view id, http::Response& response) {
    const auto figures = pools_.figures(id);
    if (!figures) return set_failure(response, id, figures.error());
    const auto pool = catalog_.find(id);
    if (!pool) return set_no_pool(response, id);
    append_pool(response.body, catalog_.at(*pool), *figures, Key::told);
}

void PoolsApi::put_pool(const http::Request& request, std::string_view id,
                        http::Response& response) {
    if (!check_json(request, response)) return;
    PoolDefinition definition;
    const auto error = helper_.run([&] { return read_definition(request.body(), id, definition); });
    if (error) return set_error(response, *error);
    const auto created = pools_.put_pool(std::move(definition));
    if (!created) return set_failure(response, id, created.error());
    if (*created) response.status = 201;
    show_pool(id, response);
}

void PoolsApi::remove_pool(std::string_view id, http::Response& response) {
    if (const auto removed = pools_.remove_pool(id); !removed) {
        return set_failure(response, id, removed.error());
    }
    response.status = 204;
    response.content_type = {};
}

void PoolsApi::list_numbers(const http::Request& request, std::string_view id,
                            http::Response& response) {
    std::optional<std::string> limit_text;
    std::optional<std::string> from_text;
    if (auto error = read_query(request.query(), {{"limit", limit_text}, {"from", from_text}})) {
        return set_error(response, *error);
    }
    constexpr std::size_t kMostFrom = 1'000'000'000'000;
    const auto limit =
        read_count("limit", limit_text.value_or(std::to_string(limits_.page_numbers)), 1,
                   limits_.max_page_numbers);
    const auto from = read_count("from", from_text.value_or("0"), 0, kMostFrom);
    if (!limit) return set_error(response, to_api_error(limit.error()));
    if (!from) return set_error(response, to_api_error(from.error()));

    const auto page = pools_.numbers(id, *from, *limit);
    if (!page) return set_failure(response, id, page.error());
    if (page->next != 0) {
        // The id is one of a pool, so there is nothing in it to encode.
        response.add_header("Link", "</pools/" + std::string(id) +
                                        "/numbers?from=" + std::to_string(page->next) +
                                        "&limit=" + std::to_string(*limit) + ">; rel=\"next\"");
    }
    if (prefers_csv(request)) {
        response.content_type = "text/csv";
        append_csv_page(response.body, *page);
    } else {
        append_page(response.body, *page);
    }
}

void PoolsApi::set_numbers(const http::Request& request, std::string_view id,
                           http::Response& response) {
    auto wanted = read_list(request, id, response);
    if (wanted) tell_change(id, pools_.set_numbers(id, std::move(wanted->add)), response);
}

void PoolsApi::add_numbers(const http::Request& request, std::string_view id,
                           http::Response& response) {
    auto edit = read_list(request, id, response);
    if (edit) tell_change(id, pools_.edit_numbers(id, *std::move(edit)), response);
}

void PoolsApi::edit_numbers(const http::Request& request, std::string_view id,
                            http::Response& response) {
    if (!check_json(request, response)) return;
    auto edit = read(request, id, read_numbers_edit, response);
    if (edit) tell_change(id, pools_.edit_numbers(id, *std::move(edit)), response);
}

void PoolsApi::remove_number(std::string_view id, std::string_view e164, http::Response& response) {
    const auto number = read_e164(e164, response);
    if (!number) return;
    const auto changed = pools_.edit_numbers(id, {.add = {}, .remove = {*number}});
    if (changed && changed->removed.empty() && changed->draining.empty()) {
        return set_error(response, {ErrorClass::not_found,
                                    "pool '" + shown(id) + "' does not have " + number->e164()});
    }
    tell_change(id, changed, response);
}

std::optional<ringpool::NumbersEdit> PoolsApi::read_list(const http::Request& request,
                                                         std::string_view id,
                                                         http::Response& response) {
    if (!check_json_or_lines(request, response)) return std::nullopt;
    const bool lines = content_kind(request) == ContentKind::lines;
    return read(request, id, lines ? read_number_lines : read_number_array, response);
}

std::optional<ringpool::NumbersEdit> PoolsApi::read(const http::Request& request,
                                                    std::string_view id, Reader reader,
                                                    http::Response& response) {
    if (!catalog_.find(id)) {
        // Where another machine has made it just now, the catalog has it when it was asked for.
        if (const auto figures = pools_.figures(id); !figures) {
            set_failure(response, id, figures.error());
            return std::nullopt;
        }
    }
    const auto pool = catalog_.find(id);
    if (!pool) {
        set_no_pool(response, id);
        return std::nullopt;
    }
    const std::string region = catalog_.at(*pool).default_region;
    NumbersInput input(limits_.max_refusals_told);
    const auto error = helper_.run([&] { return reader(request.body(), region, input); });
    if (error) {
        set_error(response, *error);
        return std::nullopt;
    }
    if (input.refusals.count > 0) {
        set_refused(response, input.refusals);
        return std::nullopt;
    }
    return std::move(input.edit);
}

void PoolsApi::tell_change(std::string_view id, const Result<NumbersChange>& changed,
                           http::Response& response) {
    if (!changed) return set_failure(response, id, changed.error());
    if (!changed->refused.empty()) {
        Refusals refusals(limits_.max_refusals_told);
        for (const NumbersChange::Refusal& refusal : changed->refused) {
            refusals.add({"", 0, "", refusal.number.e164(), refusal.reason});
        }
        return set_refused(response, refusals);
    }
    const auto figures = pools_.figures(id);
    if (!figures) return set_failure(response, id, figures.error());
    // To write a million numbers takes more than a turn of the reactor should.
    helper_.run([&] { append_change(response.body, *changed, figures->numbers); });
}

}  // namespace ringmaster::api
