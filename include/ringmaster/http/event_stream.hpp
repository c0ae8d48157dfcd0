#pragma once

#include "ringmaster/http/response.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::http {

/// One event (WHATWG HTML, 9.2.6). What is empty is left out, but for an id.
struct Event {
    std::string_view name = {};  ///< none: the client sees it as "message"
    std::string_view data = {};  ///< any text; lines are sent as lines
    /// Comes back as Last-Event-ID when the client connects anew; empty: then it tells none.
    std::optional<std::string_view> id = {};
};

/// Appends an event as it is sent. One without data is seen by nobody, but its id is kept. Throws
/// std::invalid_argument where name or id has a line break, or id a NUL.
void append_event(std::string& out, const Event& event);
/// Appends what clients ignore: for keeping the connection alive.
void append_comment(std::string& out, std::string_view text = {});
/// Appends how long clients are to wait before they connect anew.
void append_retry(std::string& out, std::chrono::milliseconds time);

/// Makes an answer a stream of events (text/event-stream; WHATWG HTML, 9.2), of which nothing has
/// been sent yet: its type, and the fields that keep what lies in between from collecting or
/// storing it.
void set_event_stream(Response& response);

/// An answer that is a stream of events (text/event-stream; WHATWG HTML, 9.2), as a browser's
/// EventSource reads it. Made in the handler, used by one fiber at a time. Sending suspends, and
/// throws, as Response::write() does.
class EventStream {
  public:
    /// Sends the head, so that the client knows at once that it is connected. The answer must
    /// outlive the stream.
    explicit EventStream(Response& response);

    /// As append_event(), append_comment() and append_retry().
    void send(const Event& event);
    void comment(std::string_view text = {});
    void retry(std::chrono::milliseconds time);

  private:
    Response& response_;
    std::string buffer_;
};

}  // namespace ringmaster::http
