#include "ringmaster/http/response.hpp"

#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <stdexcept>

#include "grammar.hpp"
#include "reuse.hpp"

namespace ringmaster::http {

namespace {

/// Fields that the server writes itself: a second one could contradict it.
bool is_reserved(std::string_view name) noexcept {
    for (const std::string_view reserved :
         {"Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Date"}) {
        if (equals_ignoring_case(name, reserved)) return true;
    }
    return false;
}

/// One of the added fields, and where its line lies among them.
struct AddedField {
    std::size_t begin;
    std::size_t end;
    std::string_view name;
    std::string_view value;
};

/// The first field of that name at or after `from`, which is the beginning of a line.
std::optional<AddedField> find_field(std::string_view fields, std::string_view name,
                                     std::size_t from) noexcept {
    while (from < fields.size()) {
        const std::size_t end = fields.find("\r\n", from) + 2;
        const std::size_t colon = fields.find(": ", from);
        const AddedField field{from, end, fields.substr(from, colon - from),
                               fields.substr(colon + 2, end - 2 - (colon + 2))};
        if (equals_ignoring_case(field.name, name)) return field;
        from = end;
    }
    return std::nullopt;
}

char* write_text(char* to, std::string_view text) noexcept {
    return std::copy(text.begin(), text.end(), to);
}

}  // namespace

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 203: return "Non-Authoritative Information";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Unknown";
    }
}

void Response::add_header(std::string_view name, std::string_view value) {
    if (!is_token(name)) throw std::invalid_argument("a field name is not a token");
    if (is_reserved(name)) {
        throw std::invalid_argument("the field " + std::string(name) + " is the server's own");
    }
    const bool clean =
        std::none_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; });
    if (!clean) {
        throw std::invalid_argument("the field " + std::string(name) +
                                    " has a control character in its value");
    }
    extra_headers_.append(name).append(": ").append(value).append("\r\n");
}

std::optional<std::string_view> Response::header(std::string_view name) const noexcept {
    const auto field = find_field(extra_headers_, name, 0);
    return field ? std::optional(field->value) : std::nullopt;
}

void Response::remove_header(std::string_view name) {
    std::size_t from = 0;
    while (const auto field = find_field(extra_headers_, name, from)) {
        from = field->begin;
        extra_headers_.erase(field->begin, field->end - field->begin);
    }
}

void Response::restart(std::size_t keep_header_bytes) noexcept {
    assert(keep_header_bytes <= extra_headers_.size());
    status = 200;
    content_type = "application/json";
    body.clear();
    close = false;
    extra_headers_.resize(keep_header_bytes);
    written_bytes_ = 0;
    streaming_ = false;
    left_open_ = nullptr;
}

void Response::write(std::string_view part) {
    if (writer_ == nullptr) throw std::logic_error("an answer with nobody to send it to");
    streaming_ = true;
    writer_->write(*this, part);
    written_bytes_ += part.size();
}

void Response::leave_open(OpenAnswer& answer) {
    if (!streaming_) throw std::logic_error("an answer was left open that has not begun");
    left_open_ = &answer;
}

void Response::clear(std::size_t keep_bytes) noexcept {
    status = 200;
    content_type = "application/json";
    close = false;
    writer_ = nullptr;
    written_bytes_ = 0;
    streaming_ = false;
    left_open_ = nullptr;
    clear_within(extra_headers_, keep_bytes);
    clear_within(body, keep_bytes);
}

std::string_view DateCache::at(WallTime now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (size_ > 0 && second.time_since_epoch().count() == second_) return {text_, size_};

    constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(second - day);
    const auto month = static_cast<unsigned>(date.month());

    char* to = write_text(text_, kDays.substr(std::chrono::weekday(day).c_encoding() * 3, 3));
    to = write_text(to, ", ");
    to = write_digits(to, static_cast<unsigned>(date.day()), 2);
    to = write_text(to, " ");
    to = write_text(to, kMonths.substr((month - 1) * 3, 3));
    to = write_text(to, " ");
    to = write_digits(to, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    to = write_text(to, " ");
    to = write_digits(to, static_cast<unsigned>(time.hours().count()), 2);
    to = write_text(to, ":");
    to = write_digits(to, static_cast<unsigned>(time.minutes().count()), 2);
    to = write_text(to, ":");
    to = write_digits(to, static_cast<unsigned>(time.seconds().count()), 2);
    to = write_text(to, " GMT");
    second_ = second.time_since_epoch().count();
    size_ = static_cast<std::size_t>(to - text_);
    return {text_, size_};
}

void append_chunk(std::string& out, std::string_view part) {
    if (part.empty()) return;
    char size[16];
    const auto end = std::to_chars(size, size + sizeof size, part.size(), 16).ptr;
    out.append(size, end).append("\r\n").append(part).append("\r\n");
}

void append_last_chunk(std::string& out) {
    out += "0\r\n\r\n";
}

void append_response(std::string& out, const Response& response, const ResponseFraming& framing) {
    assert(response.status >= 100 && response.status <= 999);
    const bool has_content = may_have_content(response.status);
    const bool keep = framing.keep_alive && !response.close;

    // One growth instead of several. The names, the status line and the length need less.
    constexpr std::size_t kFixedBytes = 192;
    const std::string_view content = framing.streamed ? std::string_view() : response.body;
    out.reserve(out.size() + kFixedBytes + framing.date.size() + response.content_type.size() +
                response.extra_headers().size() + (framing.head_request ? 0 : content.size()));

    char digits[20];
    write_digits(digits, static_cast<unsigned>(response.status), 3);
    out.append("HTTP/1.1 ").append(digits, 3).append(" ");
    out.append(reason_phrase(response.status)).append("\r\nDate: ").append(framing.date);
    if (has_content) {
        if (!response.content_type.empty()) {
            out.append("\r\nContent-Type: ").append(response.content_type);
        }
        if (!framing.streamed) {
            const auto end = std::to_chars(digits, digits + sizeof digits, content.size()).ptr;
            out.append("\r\nContent-Length: ").append(digits, end);
        } else if (framing.minor_version > 0) {
            out.append("\r\nTransfer-Encoding: chunked");
        }
    }
    if (!keep) {
        out.append("\r\nConnection: close");
    } else if (framing.minor_version == 0) {
        out.append("\r\nConnection: keep-alive");
    }
    out.append("\r\n").append(response.extra_headers()).append("\r\n");
    if (has_content && !framing.head_request) out.append(content);
}

}  // namespace ringmaster::http
