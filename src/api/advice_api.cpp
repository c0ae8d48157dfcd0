#include "ringmaster/api/advice_api.hpp"

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/input.hpp"
#include "ringmaster/api/output.hpp"

#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

namespace ringmaster::api {

using ops::PoolAdvice;
using ops::PoolSizing;

namespace {

/// A share that nobody wants to see the digits of.
constexpr double kHardlyAny = 1e-7;

std::int64_t signed_count(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

/// With six digits that count. Precondition: it is finite.
void append_real(std::string& out, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    out += text;
}

/// "3.2", or from ten on without a fraction.
std::string rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value < 9.95 ? "%.1f" : "%.0f", value);
    return text;
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g %%", share < kHardlyAny ? 0 : share * 100);
    return text;
}

std::string numbers_text(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " number" : " numbers");
}

void append_hour(std::string& out, const ops::HourOfLoad& load) {
    JsonObject object(out);
    object.time("hour", load.hour);
    append_real(object.value("arrivals_per_hour"), load.arrivals_per_hour);
    append_real(object.value("offered_erlangs"), load.offered_erlangs);
    append_real(object.value("blocking"), load.blocking);
    object.end();
}

void append_growth(std::string& out, const ops::LoadGrowth& growth) {
    JsonObject object(out);
    append_real(object.value("erlangs_per_day"), growth.erlangs_per_day);
    std::string& hours = object.value("hours_until_overflow");
    if (growth.hours_until_overflow) {
        append_real(hours, *growth.hours_until_overflow);
    } else {
        hours += "null";
    }
    object.end();
}

void append_sizing(std::string& out, const PoolSizing& sizing) {
    JsonObject object(out);
    append_hour(object.value("busiest"), sizing.busiest);
    append_hour(object.value("usual_peak"), sizing.usual_peak);
    JsonObject numbers(object.value("numbers_for"));
    for (std::size_t i = 0; i < PoolSizing::kBlockingNames.size(); ++i) {
        numbers.count(PoolSizing::kBlockingNames[i], signed_count(sizing.numbers[i]));
    }
    numbers.end();
    append_real(object.value("utilisation"), sizing.utilisation);
    object.count("missing", signed_count(sizing.missing));
    object.count("spare", signed_count(sizing.spare));
    std::string& growth = object.value("growth");
    if (sizing.growth) {
        append_growth(growth, *sizing.growth);
    } else {
        growth += "null";
    }
    object.end();
}

std::string too_little_text(const PoolAdvice& advice) {
    const std::string needed = rounded(advice.needed_hours);
    if (!advice.kept_suffices) {
        return "none: a session keeps a number for " + needed +
               " hours, and demand is not kept for as long ([advice] keep_hours)";
    }
    return "none yet: " + rounded(advice.observed_hours) + " of " + needed +
           " hours have been observed";
}

std::string sentence(const PoolAdvice& advice, std::size_t numbers) {
    if (!advice.sizing) return too_little_text(advice);
    const PoolSizing& sizing = *advice.sizing;
    if (sizing.missing > 0) {
        return "add " + numbers_text(sizing.missing) + ": with " + std::to_string(numbers) + ", " +
               percent(sizing.busiest.blocking) + " are turned away in the busiest hour";
    }
    if (sizing.growth && sizing.growth->hours_until_overflow) {
        return "enough for " + rounded(*sizing.growth->hours_until_overflow / 24) +
               " days if the load goes on growing like that";
    }
    if (sizing.spare > 0) {
        return numbers_text(sizing.spare) + " can go: with " +
               std::to_string(numbers - sizing.spare) + ", " +
               percent(PoolSizing::kBlocking.back()) + " are turned away in the busiest hour";
    }
    return "enough: " + percent(sizing.busiest.blocking) + " are turned away in the busiest hour";
}

}  // namespace

std::string advice_text(const PoolAdvice& advice, std::size_t numbers, bool sees_all) {
    return sentence(advice, numbers) + (sees_all ? "" : " (by this machine's demand alone)");
}

AdviceApi::AdviceApi(const AdminAccess& access, const ringpool::Catalog& catalog,
                     ringpool::PoolAdministration& pools, DemandOf demand,
                     runtime::HelperThread& helper, AdviceApiOptions options)
    : access_(access),
      catalog_(catalog),
      pools_(pools),
      demand_(std::move(demand)),
      helper_(helper),
      options_(options) {}

void AdviceApi::register_routes(http::Router& router) {
    using http::Request;
    using http::Response;
    using Parameters = http::PathParameters;
    router.add(http::Method::get, "/advice",
               access_.guard([this](const Request&, const Parameters&, Response& response) {
                   advise_all(response);
               }));
    router.add(http::Method::get, "/pools/{id}/advice",
               access_.guard([this](const Request&, const Parameters& parameters,
                                    Response& response) { advise(parameters[0], response); }));
}

void AdviceApi::advise(std::string_view id, http::Response& response) {
    const auto told = append_advice(response.body, id);
    if (told) return;
    if (told.error().code == ErrorCode::not_found) {
        return set_error(response, {ErrorClass::not_found, "there is no pool '" + shown(id) + "'"});
    }
    set_error(response, to_api_error(told.error()));
}

void AdviceApi::advise_all(http::Response& response) {
    // Others may change the catalog meanwhile.
    std::vector<std::string> ids;
    catalog_.for_each([&](auto, const ringpool::PoolDefinition& pool) { ids.push_back(pool.id); });
    std::string& out = response.body;
    out += "{\"pools\":[";
    for (const std::string& id : ids) {
        std::string advice;
        const auto told = append_advice(advice, id);
        if (!told && told.error().code == ErrorCode::not_found) continue;
        if (!told) {
            JsonObject object(advice);
            object.text("pool", id).text("problem", told.error().message).end();
        }
        if (out.back() != '[') out += ',';
        out += advice;
    }
    out += "]}";
}

Result<void> AdviceApi::append_advice(std::string& out, std::string_view id) {
    const auto figures = pools_.figures(id);
    if (!figures) return figures.error();
    const auto demand = demand_(id);
    if (!demand) return demand.error();
    const auto pool = catalog_.find(id);
    if (!pool) return Error{ErrorCode::not_found, "there is no such pool"};
    const ringpool::PoolDefinition& definition = catalog_.at(*pool);
    const ops::AdviceBasis basis{.numbers = figures->numbers - figures->draining,
                                 .lifetime = definition.lifetime,
                                 .cooldown = definition.cooldown,
                                 .least_observed = options_.least_observed,
                                 .kept = options_.kept};
    const PoolAdvice advice = helper_.run([&] { return ops::advise(*demand, basis); });

    JsonObject object(out);
    object.text("pool", id);
    object.count("numbers", signed_count(basis.numbers));
    object.text("measured", options_.sees_all ? "all" : "this machine");
    append_real(object.value("observed_hours"), advice.observed_hours);
    append_real(object.value("needed_hours"), advice.needed_hours);
    append_real(object.value("mean_hold_seconds"), advice.mean_hold_seconds);
    append_real(object.value("requests_per_session"), advice.requests_per_session);
    append_real(object.value("arrivals"), advice.arrivals);
    append_real(object.value("turned_away"), advice.turned_away);
    object.count("early_reissues", signed_count(advice.early_reissues));
    std::string& sizing = object.value("sizing");
    if (advice.sizing) {
        append_sizing(sizing, *advice.sizing);
    } else {
        sizing += "null";
    }
    object.text("advice", advice_text(advice, basis.numbers, options_.sees_all));
    object.end();
    return {};
}

}  // namespace ringmaster::api
