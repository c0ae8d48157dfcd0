#include "ringmaster/http/client.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

constexpr std::size_t kReadBytes = 8 * 1024;  // on a stack that has not much more
constexpr std::string_view kLastChunk = "0\r\n\r\n";

bool is_idempotent(Method method) noexcept {
    return method != Method::post && method != Method::patch && method != Method::other;
}

/// Whether it can stand in a request line as it is.
bool is_target(std::string_view target) noexcept {
    return target.starts_with('/') && std::ranges::all_of(target, [](char c) {
               return c > ' ' && c != 0x7f && static_cast<unsigned char>(c) < 0x80;
           });
}

bool is_field(std::string_view name, std::string_view value) noexcept {
    if (!is_token(name)) return false;
    for (const std::string_view own : {"Host", "Content-Length", "Transfer-Encoding"}) {
        if (equals_ignoring_case(name, own)) return false;
    }
    return std::ranges::none_of(value, [](char c) { return c != '\t' && is_control(c); });
}

std::string chunk_size_line(std::size_t size) {
    char text[20];
    char* const end = std::to_chars(text, text + 16, size, 16).ptr;
    return std::string(text, end) + "\r\n";
}

Deadline sooner(Deadline a, SteadyTime b) noexcept {
    return Deadline::at(std::min(a.time(), b));
}

}  // namespace

/// A connection and what stands on it. Used again only where an exchange came to its proper end.
class Client::Connection {
  public:
    Connection(std::unique_ptr<net::Stream> stream, const ResponseLimits& limits)
        : stream_(std::move(stream)), parser_(limits) {}

    bool usable() const noexcept { return in_order_ && stream_->usable(); }
    /// Whether any byte of the last answer was seen.
    bool answered() const noexcept { return parser_.begun(); }

    Result<ResponseHead> exchange(const Call& call, const std::string& head,
                                  const runtime::Scheduler& scheduler,
                                  const ClientOptions& options) {
        in_order_ = false;
        parser_.start(call.request.method == Method::head);
        // Who refuses a request may answer before he has read it all: so the answer counts, where
        // there is one, and not that the rest could not be sent.
        auto sent = send(call, head);
        if (!sent && sent.error().code != ErrorCode::closed) return sent.error();
        auto answer = receive(call, scheduler, options);
        in_order_ = sent && answer && answer->keep_alive;
        return answer;
    }

  private:
    Result<void> send(const Call& call, const std::string& head) {
        if (!call.source) return stream_->write(head + call.request.body, call.deadline);
        auto done = stream_->write(head, call.deadline);
        while (done) {
            const auto part = call.source();
            if (!part) return stream_->write(kLastChunk, call.deadline);
            if (part->empty()) continue;  // as a chunk it would be the last
            done = stream_->write(chunk_size_line(part->size()) + *part + "\r\n", call.deadline);
        }
        return done;
    }

    Result<ResponseHead> receive(const Call& call, const runtime::Scheduler& scheduler,
                                 const ClientOptions& options) {
        const auto on_body = [&](std::string_view part) { call.sink(parser_.head(), part); };
        const Deadline first = sooner(call.deadline, scheduler.now() + options.first_byte_timeout);
        std::array<char, kReadBytes> buffer;
        while (true) {
            const auto got = stream_->read_some(buffer, answered() ? call.deadline : first);
            if (!got) return got.error();
            if (*got == 0) {
                if (!answered()) return Error{ErrorCode::closed, "closed without an answer"};
                if (parser_.end() == ResponseParser::Status::complete) return parser_.head();
                return Error{ErrorCode::closed, parser_.error().message};
            }
            std::string_view rest(buffer.data(), *got);
            ResponseParser::Progress progress;
            do {
                progress = parser_.feed(rest, on_body);
                rest.remove_prefix(progress.consumed);
            } while (progress.status == ResponseParser::Status::head_complete);
            if (progress.status == ResponseParser::Status::failed) return parser_.error();
            if (progress.status != ResponseParser::Status::complete) continue;
            ResponseHead head = parser_.head();
            if (!rest.empty()) head.keep_alive = false;  // an answer to nothing
            return head;
        }
    }

    std::unique_ptr<net::Stream> stream_;
    ResponseParser parser_;
    bool in_order_ = true;
};

Client::Client(runtime::Reactor& reactor, net::Endpoint endpoint, std::string host,
               ClientOptions options)
    : Client(
          reactor.scheduler(),
          [&reactor, endpoint = std::move(endpoint)](Deadline deadline) {
              return net::connect(reactor, endpoint, deadline);
          },
          std::move(host), std::move(options)) {}

Client::Client(runtime::Scheduler& scheduler, Connect connect, std::string host,
               ClientOptions options)
    : scheduler_(scheduler),
      host_(std::move(host)),
      options_(std::move(options)),
      pool_(scheduler, options_.pool,
            [this, connect = std::move(connect)](
                Deadline deadline) -> Result<std::unique_ptr<Connection>> {
                auto stream =
                    connect(sooner(deadline, scheduler_.now() + options_.connect_timeout));
                if (!stream) return stream.error();
                return std::make_unique<Connection>(*std::move(stream), options_.limits);
            }) {}

Client::~Client() = default;

net::ConnectionPoolStats Client::stats() const noexcept {
    return pool_.stats();
}

Result<ClientResponse> Client::fetch(const ClientRequest& request, Deadline deadline) {
    // Thrown through the parser's frames, which keep nothing.
    struct TooLong {};
    std::string body;
    try {
        auto head = stream(
            request,
            [&](const ResponseHead&, std::string_view part) {
                if (part.size() > options_.limits.body_bytes - body.size()) throw TooLong();
                body += part;
            },
            {}, deadline);
        if (!head) return head.error();
        return ClientResponse{*std::move(head), std::move(body)};
    } catch (const TooLong&) {
        return Error{ErrorCode::invalid, "the answer's body has more than " +
                                             std::to_string(options_.limits.body_bytes) + " bytes"};
    }
}

Result<ResponseHead> Client::stream(const ClientRequest& request, const BodySink& sink,
                                    const BodySource& source, Deadline deadline) {
    return send(
        {request, sink, source, sooner(deadline, scheduler_.now() + options_.total_timeout)});
}

Result<ResponseHead> Client::send(const Call& call) {
    const auto head = head_of(call.request, static_cast<bool>(call.source));
    if (!head) return head.error();
    {
        auto lease = pool_.checkout(call.deadline);
        if (!lease) return lease.error();
        auto answer = (*lease)->exchange(call, *head, scheduler_, options_);
        const bool closed_unanswered =
            !answer && answer.error().code == ErrorCode::closed && !(*lease)->answered();
        if (!closed_unanswered || !lease->reused() || call.source ||
            !is_idempotent(call.request.method)) {
            return answer;
        }
    }
    auto lease = pool_.checkout_new(call.deadline);
    if (!lease) return lease.error();
    return (*lease)->exchange(call, *head, scheduler_, options_);
}

Result<std::string> Client::head_of(const ClientRequest& request, bool has_source) const {
    const auto invalid = [](std::string what) {
        return Error{ErrorCode::invalid, std::move(what)};
    };
    if (request.method == Method::other) return invalid("the method is none that can be sent");
    if (!is_target(request.target)) {
        return invalid("the target is not a path with an optional query, percent-encoded");
    }
    std::string head(to_string(request.method));
    head.append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ").append(host_);
    for (const auto& [name, value] : request.fields) {
        if (!is_field(name, value)) return invalid("a field that can't be sent: " + name);
        head.append("\r\n").append(name).append(": ").append(value);
    }
    if (has_source) {
        head += "\r\nTransfer-Encoding: chunked";
    } else if (!request.body.empty() || request.method == Method::post ||
               request.method == Method::put || request.method == Method::patch) {
        head += "\r\nContent-Length: " + std::to_string(request.body.size());
    }
    return head += "\r\n\r\n";
}

}  // namespace ringmaster::http
