#include "ringmaster/http/request.hpp"

#include "grammar.hpp"
#include "reuse.hpp"

namespace ringmaster::http {

std::string_view to_string(Method method) noexcept {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::delete_: return "DELETE";
        case Method::options: return "OPTIONS";
        case Method::other: break;
    }
    return "?";
}

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
    for (const Field& field : fields_) {
        if (equals_ignoring_case(view(field.name), name)) return view(field.value);
    }
    return std::nullopt;
}

std::string_view Request::body() const noexcept {
    // Most requests have no content: they shall not hold memory just for the promised padding.
    static constexpr char kNothing[kBodyPadding] = {};
    return body_.empty() || streams_body_ ? std::string_view(kNothing) : std::string_view(body_);
}

std::string_view Request::read_body() {
    if (reader_ == nullptr) return {};
    const std::string_view part = reader_->read();
    body_read_ += part.size();
    if (body_read_ > body_limit_) {
        throw ContentTooLarge("the body exceeds " + std::to_string(body_limit_) + " bytes");
    }
    return part;
}

void Request::clear(std::size_t keep_bytes) noexcept {
    // What every request needs first, so that one large body doesn't cost the rest its memory.
    clear_within(head_, keep_bytes);
    clear_within(fields_, keep_bytes);
    clear_within(body_, keep_bytes);
    clear_within(id_, keep_bytes);
    queue_time_.reset();
    reader_ = nullptr;
    body_limit_ = std::numeric_limits<std::uint64_t>::max();
    body_read_ = 0;
    target_ = path_ = query_ = host_ = Range{};
    method_ = Method::other;
    minor_version_ = 1;
    keep_alive_ = false;
    expects_continue_ = false;
    streams_body_ = false;
}

}  // namespace ringmaster::http
