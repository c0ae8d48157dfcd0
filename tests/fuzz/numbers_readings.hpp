#pragma once

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/http/query.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/ringpool/context.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/fixture.hpp"
#include "fuzz_target.hpp"

/// For the targets that read requests for numbers.
namespace ringmaster::fuzz {

/// Every byte as %XX: what was given is what must come out.
inline std::string percent_encode(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
    return out;
}

inline std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

/// `text` with U+FFFD for what is not UTF-8.
inline std::string to_utf8(std::string_view text) {
    const std::string json = json_string(text);
    std::string out;
    expect(api::append_unescaped(out, std::string_view(json).substr(1, json.size() - 2)),
           "what was escaped can be unescaped");
    return out;
}

/// What a NumbersReader makes of an input, in one text for each row, and the good rows apart. (It
/// throws where simdjson and the exact checker of JSON do not agree.) Limits are small, so that the
/// fuzzer finds its way to them; pools and keys are those of the tests, where the seeds come from.
class NumbersReadings {
  public:
    struct Good {
        std::string text;
        std::optional<std::string> request_id;
        ringpool::PoolIndex pool;
        std::optional<std::string> session;
        std::vector<std::pair<std::string, std::string>> context;
    };
    struct Reading {
        std::vector<std::string> texts;  ///< of all rows; or why all is refused
        std::vector<Good> good;

        std::string text() const {
            std::string all;
            for (const std::string& row : texts) all.append(row).append("\n");
            return all;
        }
    };

    static api::ApiLimits limits() {
        return {.max_batch = 3,
                .max_session_bytes = 8,
                .max_request_id_bytes = 8,
                .context = {.max_parameters = 3, .max_name_bytes = 5, .max_value_bytes = 10}};
    }
    const ringpool::Catalog& catalog() const noexcept { return catalog_; }

    /// Of POST /numbers, or of the compatible bulk.json.
    Reading read_body(std::string_view body, bool compatible, char behind = ',') {
        std::string bytes(body);
        bytes.append(http::Request::kBodyPadding, behind);
        const auto text = std::string_view(bytes).substr(0, body.size());
        request_.clear(kKeepBytes);
        const auto refused =
            compatible ? reader_.read_bulk(text, request_) : reader_.read_body(text, request_);
        if (refused) return {{refused->message}, {}};
        expect(!api::find_json_fault(body), "what is accepted is JSON");
        return rows();
    }
    /// The same; whatever stands behind the body in memory must not matter.
    Reading read_any_body(std::string_view body, bool compatible) {
        Reading reading = read_body(body, compatible, '\0');
        for (const char behind : {',', '}', ']', '"'}) {
            expect_same(reading.text(), read_body(body, compatible, behind).text(),
                        "bytes behind the body do not matter");
        }
        return reading;
    }
    Reading read_query(std::string_view query) {
        request_.clear(kKeepBytes);
        reader_.read_query(query, request_);
        return rows();
    }
    Reading read_allocate_number(std::string_view pool, std::string_view query) {
        request_.clear(kKeepBytes);
        reader_.read_allocate_number(pool, query, request_);
        return rows();
    }

  private:
    static constexpr std::size_t kKeepBytes = 1 << 20;

    Reading rows() const {
        Reading reading;
        auto allocation = request_.allocations().begin();
        for (const auto& row : request_.rows()) {
            std::string& text = reading.texts.emplace_back();
            if (row.request_id) text.append("<").append(*row.request_id).append("> ");
            if (row.error) {
                std::string json;
                api::NumbersWriter::append_error(json, row.request_id, *row.error);
                expect(!api::find_json_fault(json), "a refused row is written as JSON");
                text.append(to_string(row.error->error_class)).append(": ");
                text += row.error->message;
                continue;
            }
            expect(allocation != request_.allocations().end(), "each good row has an allocation");
            const ringpool::Session& session = allocation->session;
            expect(ringpool::Context::is_canonical(session.context.bytes()),
                   "a context is canonical");
            text += api::FakeStore::describe(allocation->pool, session);
            Good good{text, {}, allocation->pool, {}, {}};
            if (row.request_id) good.request_id = *row.request_id;
            if (session.id) good.session = *session.id;
            session.context.for_each(
                [&](auto name, auto value) { good.context.emplace_back(name, value); });
            reading.good.push_back(std::move(good));
            ++allocation;
        }
        expect(allocation == request_.allocations().end(), "each allocation has a good row");
        return reading;
    }

    ringpool::Catalog catalog_ = api::make_catalog();
    api::NumbersReader reader_{catalog_, limits()};
    api::NumbersRequest request_;
};

}  // namespace ringmaster::fuzz
