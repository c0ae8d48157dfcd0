#pragma once

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/base/slab.hpp"
#include "ringmaster/http/server.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::http {

class Connection;
struct ServerCore;

/// Why tasks are cancelled whose client closed the connection; short, so that it costs no heap.
inline constexpr const char* kClientLeft = "client left";

/// One request and its answer, from the request's first byte to the answer's last. Reused, so that
/// a request costs no allocation. Owned by the ServerCore, used by a connection or, where that has
/// gone, by the handler's fiber alone. Gives the handler the streams of both.
class Exchange final : public ListHook<Connection>,
                       public ListHook<ServerCore>,
                       private ContentReader,
                       private ContentWriter {
  public:
    explicit Exchange(runtime::Scheduler& scheduler) noexcept : scheduler_(scheduler) {}

    /// Before the handler begins, in its fiber.
    void begin() noexcept;
    /// The connection has gone: the handler, where it is still at work, is told at its next wait.
    void abandon();
    /// The handler is told at its next wait, and the client this instead of the handler's answer.
    void refuse(ParseError why);
    void wake_reader() const noexcept { reader_.wake(); }
    void wake_writer() const noexcept { writer_.wake(); }
    /// For the next request.
    void clear() noexcept;

    Request request;
    Response response;
    Connection* connection = nullptr;  ///< null once the client has gone
    std::optional<ParseError> refusal;
    bool dispatched = false;     ///< it has its handler
    bool answered = false;       ///< the handler has ended
    bool owes_continue = false;  ///< "100 Continue" is due when it is this one's turn
    bool wants_content = false;  ///< the handler waits for more of the request's content
    bool content_complete = false;
    bool head_sent = false;  ///< the answer is streamed; of that:
    bool chunked = false;    ///< content goes out in chunks; else as it is
    bool closes = false;     ///< the head has told that the connection ends with it
    bool cut_off = false;    ///< there will be no proper end

  private:
    std::string_view read() override;
    void write(const Response& head, std::string_view part) override;

    runtime::Scheduler& scheduler_;
    runtime::Task task_;
    runtime::Waker reader_;
    runtime::Waker writer_;
    std::string part_;  ///< what read() has given
};

/// What the connections of one server share.
struct ServerCore {
    ServerCore(runtime::Reactor& r, RequestHandler h, RequestParser::StreamsBody s,
               const ServerLimits& l, ErrorReporter& e);
    ~ServerCore();

    Exchange& take_exchange();
    void recycle(Exchange& exchange) noexcept;
    std::string take_buffer() noexcept;
    void recycle(std::string&& buffer) noexcept;

    runtime::Scheduler& scheduler() noexcept { return reactor.scheduler(); }

    runtime::Reactor& reactor;
    const RequestHandler handler;
    const RequestParser::StreamsBody streams_body;
    const ServerLimits limits;
    ErrorReporter& errors;
    ServerStats stats;
    DateCache date;
    std::string frame;              ///< one chunk that is being sent
    std::vector<char> read_buffer;  ///< for whichever connection is readable at the moment
    bool draining = false;
    ObjectSlab<Connection> connection_slab;  ///< in which these are:
    IntrusiveList<Connection, ServerCore> connections;
    std::function<void()> on_connection_gone;

  private:
    IntrusiveList<Exchange, ServerCore> exchanges_;        ///< all that exist
    IntrusiveList<Exchange, Connection> spare_exchanges_;  ///< of those, the ones nobody uses
    std::size_t spare_count_ = 0;
    std::vector<std::string> spare_buffers_;
};

}  // namespace ringmaster::http
