#include "ringmaster/http/event_stream.hpp"

#include <algorithm>
#include <stdexcept>

namespace ringmaster::http {
namespace {

constexpr std::string_view kLineBreaks = "\r\n";

void append_field(std::string& out, std::string_view name, std::string_view value) {
    if (value.find_first_of(kLineBreaks) != value.npos) {
        throw std::invalid_argument("a line break in an event's " + std::string(name));
    }
    out.append(name).append(": ").append(value).append("\n");
}

/// Each line as a field of its own; "\r\n", "\r" and "\n" end one.
void append_lines(std::string& out, std::string_view name, std::string_view text) {
    while (true) {
        const std::size_t end = std::min(text.find_first_of(kLineBreaks), text.size());
        append_field(out, name, text.substr(0, end));
        if (end == text.size()) return;
        text.remove_prefix(end + (text.substr(end).starts_with(kLineBreaks) ? 2 : 1));
    }
}

}  // namespace

void append_event(std::string& out, const Event& event) {
    if (event.id && event.id->find('\0') != std::string_view::npos) {
        throw std::invalid_argument("a NUL in an event's id");
    }
    if (!event.name.empty()) append_field(out, "event", event.name);
    if (!event.data.empty()) append_lines(out, "data", event.data);
    if (event.id) append_field(out, "id", *event.id);
    out += '\n';
}

void append_comment(std::string& out, std::string_view text) {
    append_lines(out, "", text);
    out += '\n';
}

void append_retry(std::string& out, std::chrono::milliseconds time) {
    append_field(out, "retry", std::to_string(time.count()));
    out += '\n';
}

void set_event_stream(Response& response) {
    response.content_type = "text/event-stream";
    if (!response.header("Cache-Control")) response.add_header("Cache-Control", "no-store");
    // For proxies that collect what comes in small parts; the field is nginx's.
    response.add_header("X-Accel-Buffering", "no");
}

EventStream::EventStream(Response& response) : response_(response) {
    set_event_stream(response_);
    response_.write({});
}

void EventStream::send(const Event& event) {
    buffer_.clear();
    append_event(buffer_, event);
    response_.write(buffer_);
}

void EventStream::comment(std::string_view text) {
    buffer_.clear();
    append_comment(buffer_, text);
    response_.write(buffer_);
}

void EventStream::retry(std::chrono::milliseconds time) {
    buffer_.clear();
    append_retry(buffer_, time);
    response_.write(buffer_);
}

}  // namespace ringmaster::http
