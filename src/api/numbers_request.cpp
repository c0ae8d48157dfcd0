#include "ringmaster/api/numbers_request.hpp"

#include "ringmaster/api/input.hpp"
#include "ringmaster/api/json_tokens.hpp"
#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace ringmaster::api {

namespace {

/// Compares without a call, because the size is known.
template <std::size_t N>
bool is(std::string_view text, const char (&literal)[N]) noexcept {
    return text.size() == N - 1 && std::memcmp(text.data(), literal, N - 1) == 0;
}

}  // namespace

/// The fields of one row as they come in. The context goes into the builder at once.
struct NumbersReader::Fields {
    Dialect dialect;
    std::optional<std::string_view> pool = {};
    std::optional<std::string_view> key = {};
    std::optional<std::string_view> session = {};
    std::optional<std::string_view> request_id = {};
    std::optional<std::string_view> suffix = {};  ///< of a compatible row: pool, key and context
    bool has_context = false;
    std::string problem = {};  ///< the first one; empty: none

    const char* key_name() const noexcept {
        return dialect == Dialect::own ? "key" : "ring_pool_key";
    }
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
    BodyWalk(NumbersReader& reader, Dialect dialect, NumbersRequest& out)
        : reader_(reader), json_(*reader.json_), dialect_(dialect), out_(out) {}

    bool walk() {
        if (json_.peek() != '{') return refuse("the body must be an object");
        bool has_requests = false;
        const bool walked = json_.take_object([&](std::string_view name) {
            const bool other_name = dialect_ == Dialect::compatible && is(name, "request");
            if (!is(name, "requests") && !other_name) return json_.skip(1);
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
        Fields fields{dialect_};
        reader_.context_.start();
        if (json_.peek() != '{') {
            fields.note("a row must be an object");
            if (!json_.skip(2)) return false;
        } else if (!json_.take_object([&](std::string_view n) { return walk_field(n, fields); })) {
            return false;
        }
        if (dialect_ == Dialect::compatible) reader_.read_suffix(fields);
        reader_.finish_row(fields, out_);
        return true;
    }

    bool walk_field(std::string_view name, Fields& fields) {
        if (is(name, "request_id")) return read_text("request_id", fields.request_id, fields);
        if (dialect_ == Dialect::compatible) {
            if (is(name, "api_suffix")) return read_text("api_suffix", fields.suffix, fields);
            return json_.skip(3);
        }
        if (is(name, "pool")) return read_text("pool", fields.pool, fields);
        if (is(name, "key")) return read_text("key", fields.key, fields);
        if (is(name, "session")) return read_text("session", fields.session, fields);
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
    const Dialect dialect_;
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
    return read_rows(body, Dialect::own, out);
}

std::optional<ApiError> NumbersReader::read_bulk(std::string_view body, NumbersRequest& out) {
    // A context parameter takes 3 bytes beside its texts; a query has 1 there, but no empty name.
    out.contexts_.reserve(body.size() * 2);
    auto error = read_rows(body, Dialect::compatible, out);
    constexpr std::size_t kKeepBytes = 64 * 1024;
    if (suffix_.capacity() > kKeepBytes) suffix_ = {};
    return error;
}

std::optional<ApiError> NumbersReader::read_rows(std::string_view body, Dialect dialect,
                                                 NumbersRequest& out) {
    BodyWalk walk(*this, dialect, out);
    const bool parsed = json_->start(body, out.decoded_) && walk.walk();
    if (parsed) return std::nullopt;
    return why_refused(body, walk.refusal());
}

void NumbersReader::read_query(std::string_view query, NumbersRequest& out) {
    out.contexts_.reserve(query.size() * 2 + 3);
    out.decoded_.reserve(query.size());
    context_.start();
    Fields fields{Dialect::own};
    read_pairs(query, out.decoded_, fields);
    finish_row(fields, out);
}

void NumbersReader::read_allocate_number(std::string_view pool, std::string_view query,
                                         NumbersRequest& out) {
    out.contexts_.reserve(query.size() * 2 + 3);
    out.decoded_.reserve(query.size());
    context_.start();
    Fields fields{Dialect::compatible, pool};
    read_pairs(query, out.decoded_, fields);
    finish_row(fields, out);
}

/// Nothing that is decoded here is needed after the row is finished.
void NumbersReader::read_suffix(Fields& fields) {
    if (!fields.suffix) return fields.note("'api_suffix' is missing");
    const std::string_view suffix = *fields.suffix;
    constexpr std::string_view kAction = "/allocate_number.json";
    constexpr std::string_view kCollection = "ring_pools/";
    const std::size_t path_bytes = std::min(suffix.find('?'), suffix.size());
    std::string_view pool = suffix.substr(0, path_bytes);
    const bool has_action = pool.ends_with(kAction);
    if (has_action) pool.remove_suffix(kAction.size());
    if (pool.starts_with('/')) pool.remove_prefix(1);
    if (pool.starts_with(kCollection)) pool.remove_prefix(kCollection.size());
    if (!has_action || pool.empty() || pool.find('/') != pool.npos) {
        return fields.note(
            "'api_suffix' must be like 'POOL/allocate_number.json?ring_pool_key=KEY&m1=autos'");
    }
    suffix_.clear();
    suffix_.reserve(suffix.size());
    if (const auto decoded = http::percent_decode(pool, false, suffix_); !decoded) {
        return fields.note("the path of 'api_suffix' is malformed: " + decoded.error().message);
    }
    fields.pool = suffix_;
    read_pairs(suffix.substr(std::min(path_bytes + 1, suffix.size())), suffix_, fields);
}

/// `arena` must have room for all of `query`.
void NumbersReader::read_pairs(std::string_view query, std::string& arena, Fields& fields) {
    const bool own = fields.dialect == Dialect::own;
    const std::string_view key_name = fields.key_name();
    http::QueryReader pairs(query);
    while (true) {
        auto pair = pairs.next(arena);
        if (!pair) return fields.note("the query is malformed: " + pair.error().message);
        if (!*pair) return;
        const auto [name, value] = **pair;
        if (name == key_name) {
            fields.set(fields.key, fields.key_name(), value);
        } else if (own && name == "pool") {
            fields.set(fields.pool, "pool", value);
        } else if (own && name == "session") {
            fields.set(fields.session, "session", value);
        } else if (auto added = context_.add(name, value); !added) {
            fields.note(std::move(added).error().message);
        }
    }
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
    if (!fields.key) {
        return refuse(ErrorClass::invalid_input,
                      std::string("'") + fields.key_name() + "' is missing");
    }
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
