#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/request_parser.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::api {

/// Pools 0 "autos" (key A329F4DC), 1 "boats" (key 77AA01) and 2 "strict", which has the key of
/// boats and allows no overflow.
inline ringpool::Catalog make_catalog() {
    ringpool::Catalog catalog;
    const auto add = [&](std::string id, std::string key, bool allow_overflow) {
        ringpool::PoolDefinition pool;
        pool.id = std::move(id);
        pool.key = std::move(key);
        pool.allow_overflow = allow_overflow;
        pool.overflow = {ringpool::PhoneNumber::from_digits(18005550100),
                         ringpool::FormattedNumber("800-555-0100")};
        if (!catalog.put(std::move(pool))) throw std::logic_error("bad pool");
    };
    add("autos", "A329F4DC", true);
    add("boats", "77AA01", true);
    add("strict", "77AA01", false);
    return catalog;
}

/// A request as it comes out of the parser, so that everything in it is where it really would be.
inline http::Request make_request(std::string_view method, std::string_view target,
                                  std::string_view headers = "", std::string_view body = "") {
    std::string bytes = std::string(method) + " " + std::string(target) +
                        " HTTP/1.1\r\nHost: test\r\n" + std::string(headers);
    if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    bytes.append("\r\n").append(body);
    http::RequestParser parser({});
    http::Request request;
    if (parser.feed(bytes, request).status != http::RequestParser::Status::complete) {
        throw std::logic_error("not a request: " + parser.error().message);
    }
    return request;
}

/// "utm=x&..." for people: each parameter of a canonical context as "name=value;".
inline std::string to_text(ringpool::Context context) {
    std::string text;
    context.for_each([&](std::string_view name, std::string_view value) {
        text.append(name).append("=").append(value).append(";");
    });
    return text;
}

/// Hands out +1 866 555 0142 and the numbers after it until 2026-11-21T17:31:05Z, unless it is told
/// otherwise, and remembers what it was asked.
class FakeStore final : public ringpool::Store {
  public:
    static ringpool::Allocation number(std::uint64_t i) {
        using namespace std::chrono_literals;
        ringpool::Allocation answer;
        answer.outcome = ringpool::Allocation::Outcome::allocated;
        answer.number = ringpool::PhoneNumber::from_digits(18665550142 + i);
        answer.formatted = ringpool::FormattedNumber("866-555-0" + std::to_string(142 + i));
        answer.expires_at =
            std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 17h + 31min + 5s + 999ms;
        return answer;
    }

    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override {
        ++batches;
        last_deadline = deadline;
        if (on_allocate) on_allocate();
        for (std::size_t i = 0; i < requests.size(); ++i) {
            const ringpool::AllocationRequest& request = requests[i];
            asked.push_back(describe(request.pool, request.session) +
                            (request.keeps_context ? " kept" : ""));
            contexts.emplace_back(request.session.context.bytes());
            answers[i] = next < script.size() ? script[next] : number(next);
            ++next;
        }
    }

    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override {
        last_deadline = deadline;
        asked.push_back(number.e164() + " " + describe(pool, session));
        return released;
    }

    Result<void> ready() const override { return is_ready; }

    static std::string describe(ringpool::PoolIndex pool, const ringpool::Session& session) {
        return std::to_string(pool) + " " +
               (session.id ? "'" + std::string(*session.id) + "'" : "-") + " " +
               to_text(session.context);
    }

    std::vector<ringpool::Allocation> script;  ///< the first answers
    std::size_t next = 0;
    std::function<void()> on_allocate;  ///< runs before the answers are given; may suspend or throw
    Result<void> released;
    Result<void> is_ready;

    int batches = 0;
    std::vector<std::string> asked;     ///< "POOL 'SESSION' name=value;...", and " kept"
    std::vector<std::string> contexts;  ///< canonical bytes
    Deadline last_deadline;
};

}  // namespace ringmaster::api
