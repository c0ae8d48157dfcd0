#include "ringmaster/api/numbers_request.hpp"

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/api/json_tokens.hpp"
#include "ringmaster/http/query.hpp"

#include <cassert>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace ringmaster::api {

namespace {

/// What a client sent, as it may stand in an error text, however long it is. Cut between
/// characters.
std::string shown(std::string_view text) {
    constexpr std::size_t kShownBytes = 64;
    if (text.size() <= kShownBytes) return std::string(text);
    std::size_t end = kShownBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end)) + "...";
}

/// Compares without a call, because the size is known.
template <std::size_t N>
bool is(std::string_view text, const char (&literal)[N]) noexcept {
    return text.size() == N - 1 && std::memcmp(text.data(), literal, N - 1) == 0;
}

}  // namespace

/// The fields of one row as they come in. The context goes into the builder at once.
struct NumbersReader::Fields {
    std::optional<std::string_view> pool;
    std::optional<std::string_view> key;
    std::optional<std::string_view> session;
    std::optional<std::string_view> request_id;
    bool has_context = false;
    std::string problem;  ///< the first one; empty: none

    /// Keeps the first problem: it is the one to mend first.
    void note(std::string text) {
        if (problem.empty()) problem = std::move(text);
    }
    void set(std::optional<std::string_view>& field, const char* name, std::string_view text) {
        if (field) note(std::string("'") + name + "' is given twice");
        field = text;
    }
};

void NumbersRequest::clear(std::size_t keep_bytes) {
    rows_.clear();
    allocations_.clear();
    for (std::string* text : {&contexts_, &decoded_}) {
        text->clear();
        if (text->capacity() > keep_bytes) text->shrink_to_fit();
    }
}

/// One pass over one body. Methods return false where the body as a whole is to be refused.
class NumbersReader::BodyWalk {
  public:
    BodyWalk(NumbersReader& reader, NumbersRequest& out)
        : reader_(reader), json_(*reader.json_), out_(out) {}

    bool walk() {
        if (json_.peek() != '{') return refuse("the body must be an object");
        bool has_requests = false;
        const bool walked = json_.take_object([&](std::string_view name) {
            if (!is(name, "requests")) return json_.skip(1);
            if (std::exchange(has_requests, true)) return refuse("'requests' is given twice");
            return walk_rows();
        });
        if (!walked || !json_.at_end()) return false;
        if (!has_requests) return refuse("'requests' is missing");
        if (out_.rows_.empty()) return refuse("'requests' must have at least one row");
        return true;
    }

    /// Why the walk has failed. Empty: because of the JSON itself.
    const std::string& refusal() const noexcept { return refusal_; }

  private:
    bool refuse(std::string why) {
        refusal_ = std::move(why);
        return false;
    }

    bool walk_rows() {
        if (json_.peek() != '[') return refuse("'requests' must be an array");
        return json_.take_array([&] {
            const std::size_t most = reader_.limits_.max_batch;
            if (out_.rows_.size() < most) return walk_row();
            return refuse("'requests' has more than " + std::to_string(most) + " rows");
        });
    }

    bool walk_row() {
        Fields fields;
        reader_.context_.start();
        if (json_.peek() != '{') {
            fields.note("a row must be an object");
            if (!json_.skip(2)) return false;
        } else if (!json_.take_object([&](std::string_view n) { return walk_field(n, fields); })) {
            return false;
        }
        reader_.finish_row(fields, out_);
        return true;
    }

    bool walk_field(std::string_view name, Fields& fields) {
        if (is(name, "pool")) return read_text("pool", fields.pool, fields);
        if (is(name, "key")) return read_text("key", fields.key, fields);
        if (is(name, "session")) return read_text("session", fields.session, fields);
        if (is(name, "request_id")) return read_text("request_id", fields.request_id, fields);
        if (is(name, "context")) return walk_context(fields);
        return json_.skip(3);
    }

    bool read_text(const char* name, std::optional<std::string_view>& field, Fields& fields) {
        std::string_view text;
        if (json_.peek() != '"') {
            fields.note(std::string("'") + name + "' must be a string");
            return json_.skip(3);
        }
        if (!json_.take_string(text)) return false;
        fields.set(field, name, text);
        return true;
    }

    bool walk_context(Fields& fields) {
        if (std::exchange(fields.has_context, true)) fields.note("'context' is given twice");
        if (json_.peek() != '{') {
            fields.note("'context' must be an object");
            return json_.skip(3);
        }
        return json_.take_object(
            [&](std::string_view name) { return walk_parameter(name, fields); });
    }

    bool walk_parameter(std::string_view name, Fields& fields) {
        std::string_view value;
        switch (json_.peek()) {
            case '"':
                if (!json_.take_string(value)) return false;
                break;
            case 'n':
            case '[':
            case '{':
                fields.note("context parameter '" + shown(name) +
                            "' must be a string, a number or a boolean");
                return json_.skip(4);
            default:
                if (!json_.take_word(value)) return false;
        }
        if (auto added = reader_.context_.add(name, value); !added) {
            fields.note(std::move(added).error().message);
        }
        return true;
    }

    NumbersReader& reader_;
    JsonTokens& json_;
    NumbersRequest& out_;
    std::string refusal_;
};

NumbersReader::NumbersReader(const ringpool::Catalog& catalog, const ApiLimits& limits)
    : catalog_(catalog),
      limits_(limits),
      context_(limits.context),
      json_(std::make_unique<JsonTokens>()) {}

NumbersReader::~NumbersReader() = default;

std::optional<ApiError> NumbersReader::read_body(std::string_view body, NumbersRequest& out) {
    // A context parameter takes 3 bytes beside its texts, and in JSON at least 4.
    out.contexts_.reserve(body.size());
    BodyWalk walk(*this, out);
    const bool parsed = json_->start(body, out.decoded_) && walk.walk();
    if (parsed) return std::nullopt;
    if (const auto fault = find_json_fault(body)) {
        return ApiError{ErrorClass::malformed_json, "the body is not JSON: expected " +
                                                        std::string(fault->expected) + " at byte " +
                                                        std::to_string(fault->offset)};
    }
    if (walk.refusal().empty()) throw std::logic_error("valid JSON was refused");
    return ApiError{ErrorClass::invalid_input, walk.refusal()};
}

void NumbersReader::read_query(std::string_view query, NumbersRequest& out) {
    out.contexts_.reserve(query.size() * 2 + 3);
    out.decoded_.reserve(query.size());
    context_.start();
    Fields fields;
    http::QueryReader pairs(query);
    while (true) {
        auto pair = pairs.next(out.decoded_);
        if (!pair) {
            fields.note("the query is malformed: " + pair.error().message);
            break;
        }
        if (!*pair) break;
        const auto [name, value] = **pair;
        if (name == "pool") {
            fields.set(fields.pool, "pool", value);
        } else if (name == "key") {
            fields.set(fields.key, "key", value);
        } else if (name == "session") {
            fields.set(fields.session, "session", value);
        } else if (auto added = context_.add(name, value); !added) {
            fields.note(std::move(added).error().message);
        }
    }
    finish_row(fields, out);
}

/// A client that shows no key of the pool is told of nothing else.
void NumbersReader::finish_row(const Fields& fields, NumbersRequest& out) {
    NumbersRequest::Row& row = out.rows_.emplace_back();
    const auto refuse = [&](ErrorClass error_class, std::string message) {
        row.error = ApiError{error_class, std::move(message)};
    };
    const auto too_long = [](const std::optional<std::string_view>& text, std::size_t limit) {
        return text && text->size() > limit;
    };
    if (!too_long(fields.request_id, limits_.max_request_id_bytes))
        row.request_id = fields.request_id;

    const ringpool::PoolIndex* pool = nullptr;
    if (fields.pool && fields.key) {
        pool = catalog_.authorize(*fields.pool, *fields.key);
        if (pool == nullptr) {
            return refuse(ErrorClass::invalid_key, "API Key '" + shown(*fields.key) +
                                                       "' is not valid for resource '" +
                                                       shown(*fields.pool) + "'");
        }
    }
    if (!fields.problem.empty()) return refuse(ErrorClass::invalid_input, fields.problem);
    if (!fields.pool) return refuse(ErrorClass::invalid_input, "'pool' is missing");
    if (!fields.key) return refuse(ErrorClass::invalid_input, "'key' is missing");
    if (too_long(fields.session, limits_.max_session_bytes)) {
        return refuse(
            ErrorClass::invalid_input,
            "'session' is longer than " + std::to_string(limits_.max_session_bytes) + " bytes");
    }
    if (too_long(fields.request_id, limits_.max_request_id_bytes)) {
        return refuse(ErrorClass::invalid_input, "'request_id' is longer than " +
                                                     std::to_string(limits_.max_request_id_bytes) +
                                                     " bytes");
    }
    const std::size_t begin = out.contexts_.size();
    [[maybe_unused]] const char* const before = out.contexts_.data();
    const std::size_t bytes = context_.finish(out.contexts_);
    assert(out.contexts_.data() == before);
    out.allocations_.push_back(
        {*pool,
         {fields.session,
          ringpool::Context(std::string_view(out.contexts_).substr(begin, bytes))}});
}

}  // namespace ringmaster::api
