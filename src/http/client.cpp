#include "ringmaster/http/client.hpp"

#include "ringmaster/http/response.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "grammar.hpp"
#include "redirect.hpp"

namespace ringmaster::http {
namespace {

constexpr std::size_t kReadBytes = 8 * 1024;  // on a stack that has not much more
// Of requests that go ahead of their answers: what the kernel takes even where the other side reads
// nothing, because it waits for us to read the answers.
constexpr std::size_t kAheadBytes = 16 * 1024;

bool is_idempotent(Method method) noexcept {
    return method != Method::post && method != Method::patch && method != Method::other;
}

bool is_field(std::string_view name, std::string_view value) noexcept {
    if (!is_token(name)) return false;
    for (const std::string_view own : {"Host", "Content-Length", "Transfer-Encoding"}) {
        if (equals_ignoring_case(name, own)) return false;
    }
    return std::ranges::none_of(value, [](char c) { return c != '\t' && is_control(c); });
}

Deadline sooner(Deadline a, SteadyTime b) noexcept {
    return Deadline::at(std::min(a.time(), b));
}

/// Thrown through the parser's frames, which keep nothing.
struct TooLong {};

Client::BodySink append_to(std::string& body, std::size_t limit) {
    return [&body, limit](const ResponseHead&, std::string_view part) {
        if (part.size() > limit - body.size()) throw TooLong();
        body += part;
    };
}

}  // namespace

/// A connection and what stands on it. Used again only where its last exchange came to its proper
/// end.
class Client::Connection {
  public:
    Connection(std::unique_ptr<net::Stream> stream, const runtime::Scheduler& scheduler,
               const ClientOptions& options)
        : stream_(std::move(stream)),
          scheduler_(scheduler),
          options_(options),
          parser_(options.limits) {}

    bool usable() const noexcept { return in_order_ && stream_->usable(); }
    /// After an exchange that failed: whether any byte came of the first answer that is missing.
    bool answered() const noexcept { return parser_.begun(); }

    /// Sends the requests, the first `ahead` of them before any answer, and takes those that are
    /// answered from the front of `left`.
    Result<void> exchange(std::span<Exchange>& left, std::size_t ahead, Deadline deadline) {
        in_order_ = false;
        Input input;
        std::size_t sent = 0;  // of those left
        Result<void> written;
        bool keep_alive = true;
        while (!left.empty()) {
            parser_.start(left.front().request.method == Method::head);
            // Who refuses a request may answer before he has read it all: so the answer counts,
            // where there is one, and not that the rest could not be sent.
            if (keep_alive && written && input.rest.empty()) {
                written = send(left, sent, ahead, deadline);
                if (!written && written.error().code != ErrorCode::closed) return written;
            }
            if (!keep_alive || sent == 0) {
                return Error{ErrorCode::closed, "the connection ended with an earlier answer"};
            }
            auto answer = receive(input, left.front().sink, deadline);
            if (!answer) return answer.error();
            keep_alive = answer->keep_alive;
            left.front().answer = *std::move(answer);
            left = left.subspan(1);
            --sent;
            ahead = options_.max_pipeline;
        }
        // Bytes that are left over are an answer to nothing.
        in_order_ = written && keep_alive && input.rest.empty();
        return {};
    }

  private:
    /// What has been read: an answer may end in the middle of it.
    struct Input {
        std::array<char, kReadBytes> buffer;
        std::string_view rest;
    };

    /// Sends of those left, of which `sent` were sent before, what may go now: in one write.
    Result<void> send(std::span<const Exchange> left, std::size_t& sent, std::size_t ahead,
                      Deadline deadline) {
        std::string bytes;
        std::size_t ahead_bytes = 0;
        for (std::size_t i = 0; i < left.size(); ++i) {
            const Exchange& next = left[i];
            ahead_bytes += next.head.size() + next.request.body.size();
            if (i > 0 && (i >= ahead || ahead_bytes > kAheadBytes)) break;
            if (i < sent) continue;
            sent = i + 1;
            if (next.source != nullptr) return send_from(*next.source, next.head, deadline);
            bytes.append(next.head).append(next.request.body);
        }
        return stream_->write(bytes, deadline);
    }

    Result<void> send_from(const BodySource& source, std::string_view head, Deadline deadline) {
        std::string bytes;
        auto done = stream_->write(head, deadline);
        while (done) {
            const auto part = source();
            bytes.clear();
            part ? append_chunk(bytes, *part) : append_last_chunk(bytes);
            if (!bytes.empty()) done = stream_->write(bytes, deadline);
            if (!part) break;
        }
        return done;
    }

    Result<ResponseHead> receive(Input& input, const BodySink& sink, Deadline deadline) {
        const auto on_body = [&](std::string_view part) { sink(parser_.head(), part); };
        const Deadline first = sooner(deadline, scheduler_.now() + options_.first_byte_timeout);
        while (true) {
            if (input.rest.empty()) {
                const auto got = stream_->read_some(input.buffer, answered() ? deadline : first);
                if (!got) return got.error();
                if (*got == 0) {
                    if (!answered()) return Error{ErrorCode::closed, "closed without an answer"};
                    if (parser_.end() == ResponseParser::Status::complete) return parser_.head();
                    return Error{ErrorCode::closed, parser_.error().message};
                }
                input.rest = {input.buffer.data(), *got};
            }
            ResponseParser::Progress progress;
            do {
                progress = parser_.feed(input.rest, on_body);
                input.rest.remove_prefix(progress.consumed);
            } while (progress.status == ResponseParser::Status::head_complete);
            if (progress.status == ResponseParser::Status::failed) return parser_.error();
            if (progress.status == ResponseParser::Status::complete) return parser_.head();
        }
    }

    std::unique_ptr<net::Stream> stream_;
    const runtime::Scheduler& scheduler_;
    const ClientOptions& options_;
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
                return std::make_unique<Connection>(*std::move(stream), scheduler_, options_);
            }) {}

Client::~Client() = default;

net::ConnectionPoolStats Client::stats() const noexcept {
    return pool_.stats();
}

Result<ClientResponse> Client::fetch(const ClientRequest& request, Deadline deadline) {
    ClientResponse answer;
    try {
        auto head =
            stream(request, append_to(answer.body, options_.limits.body_bytes), {}, deadline);
        if (!head) return head.error();
        answer.head = *std::move(head);
        return answer;
    } catch (const TooLong&) {
        return too_long();
    }
}

Result<ResponseHead> Client::stream(const ClientRequest& request, const BodySink& sink,
                                    const BodySource& source, Deadline deadline) {
    const Deadline until = sooner(deadline, scheduler_.now() + options_.total_timeout);
    std::optional<ClientRequest> next;  // after a redirect
    for (std::size_t redirects = 0;; ++redirects) {
        const ClientRequest& asked = next ? *next : request;
        const bool has_source = source && !next;
        const auto leads_to = [&](const ResponseHead& answer) -> std::optional<std::string> {
            if (options_.max_redirects == 0) return std::nullopt;
            return redirect_target(asked, has_source, answer, host_);
        };
        auto answer = ask(
            asked, has_source ? &source : nullptr,
            [&](const ResponseHead& head, std::string_view part) {
                if (!leads_to(head)) sink(head, part);
            },
            until);
        if (!answer) return answer;
        auto target = leads_to(*answer);
        if (!target) return answer;
        if (redirects == options_.max_redirects) {
            return Error{ErrorCode::invalid,
                         "more than " + std::to_string(redirects) + " redirects"};
        }
        next = redirected(asked, answer->status, *std::move(target));
    }
}

Result<ResponseHead> Client::ask(const ClientRequest& request, const BodySource* source,
                                 BodySink sink, Deadline deadline) {
    auto head = head_of(request, source != nullptr);
    if (!head) return head.error();
    Exchange exchange{request, *std::move(head), source, std::move(sink)};
    std::span<Exchange> left(&exchange, 1);
    const auto done = send(left, deadline);
    if (!done) return done.error();
    return std::move(exchange.answer);
}

std::vector<Result<ClientResponse>> Client::pipeline(std::span<const ClientRequest> requests,
                                                     Deadline deadline) {
    using Answers = std::vector<Result<ClientResponse>>;
    Answers answers(requests.size(), ClientResponse());
    std::vector<Exchange> exchanges;
    exchanges.reserve(requests.size());
    for (const ClientRequest& request : requests) {
        auto head = head_of(request, false);
        if (head && !is_idempotent(request.method)) {
            head = Error{ErrorCode::invalid,
                         std::string(to_string(request.method)) + " can't be pipelined"};
        }
        if (!head) return Answers(requests.size(), head.error());
        std::string& body = answers[exchanges.size()]->body;
        exchanges.push_back(
            {request, *std::move(head), nullptr, append_to(body, options_.limits.body_bytes)});
    }

    std::span<Exchange> left(exchanges);
    Result<void> done;
    try {
        done = send(left, sooner(deadline, scheduler_.now() + options_.total_timeout));
    } catch (const TooLong&) {
        done = too_long();
    }
    const std::size_t answered = exchanges.size() - left.size();
    for (std::size_t i = 0; i < answered; ++i) answers[i]->head = std::move(exchanges[i].answer);
    for (std::size_t i = answered; i < answers.size(); ++i) {
        // What is wrong with one answer is not said of those that would have come after it.
        const bool behind = i > answered && done.error().code == ErrorCode::invalid;
        answers[i] =
            behind ? Error{ErrorCode::closed, "given up with an earlier answer"} : done.error();
    }
    return answers;
}

/// Takes those that are answered from the front of `left`; where any remain, says why.
Result<void> Client::send(std::span<Exchange>& left, Deadline deadline) {
    const std::size_t count = left.size();
    for (bool again = false; !left.empty(); again = true) {
        auto lease = again ? pool_.checkout_new(deadline) : pool_.checkout(deadline);
        if (!lease) return lease.error();
        // What closed one connection may close the next one: there, the first request goes alone
        // (RFC 9112, 9.3.2).
        auto done = (*lease)->exchange(left, again ? 1 : options_.max_pipeline, deadline);
        if (done || again) return done;
        const bool was_open = lease->reused() || left.size() < count;
        const bool closed = done.error().code == ErrorCode::closed && !(*lease)->answered();
        const Exchange& first = left.front();
        const bool repeatable = first.source == nullptr && is_idempotent(first.request.method);
        if (!was_open || !closed || !repeatable) return done;
    }
    return {};
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

Error Client::too_long() const {
    return {ErrorCode::invalid, "the answer's body has more than " +
                                    std::to_string(options_.limits.body_bytes) + " bytes"};
}

}  // namespace ringmaster::http
