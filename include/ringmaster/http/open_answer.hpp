#pragma once

#include <cstddef>
#include <string_view>

namespace ringmaster::http {

class Connection;

/// The content of an answer that goes on when its handler has returned (Response::leave_open()):
/// an event stream that is told something now and then, and needs no fiber, no stack and none of a
/// request's memory in between. Derive from it, with what the stream is for. Owned by whoever made
/// it; belongs to one reactor. Nothing here suspends.
class OpenAnswer {
  public:
    OpenAnswer() = default;
    OpenAnswer(const OpenAnswer&) = delete;
    OpenAnswer& operator=(const OpenAnswer&) = delete;
    /// Ends the answer, where it is still open.
    virtual ~OpenAnswer() { end(); }

    /// From the moment when the handler has returned to end() or on_gone().
    bool is_open() const noexcept { return connection_ != nullptr; }

    /// Sends the next part of the content, whole and at once where the client takes it. False, and
    /// nothing was sent, where it is not open, or more than ServerLimits::output_high_water_bytes
    /// would wait for a client who doesn't take what it is sent: then leave something out, or end.
    bool send(std::string_view part);
    /// Bytes that the client has been sent and has not taken yet, so that they wait here.
    std::size_t unsent_bytes() const noexcept;
    /// The content is complete, and the connection is closed behind it. Harmless where it is not
    /// open. on_gone() is not called.
    void end() noexcept;

  private:
    friend class Connection;

    /// Called once, unless end() came first: the client has left, or the server drains and ends the
    /// answer. May destroy this. On the reactor's stack or in any fiber, and not in send(). Must
    /// not suspend.
    virtual void on_gone() noexcept = 0;

    Connection* connection_ = nullptr;
};

}  // namespace ringmaster::http
