#include "server_core.hpp"

#include <utility>

#include "connection.hpp"
#include "reuse.hpp"

namespace ringmaster::http {
namespace {

/// What one read may bring; a request of usual size is whole in it.
constexpr std::size_t kReadBufferBytes = 64 * 1024;
/// Buffers that were larger than this are given back instead of being kept for the next request.
constexpr std::size_t kKeepBytes = 64 * 1024;
constexpr std::size_t kSpareExchanges = 256;
constexpr std::size_t kSpareBuffers = 64;

}  // namespace

void Exchange::begin() noexcept {
    task_ = scheduler_.current_task();
    response.attach(static_cast<ContentWriter&>(*this));
    if (request.streams_body()) request.attach(static_cast<ContentReader&>(*this));
}

// Woken first: a handler that is shielded from cancellation would wait for ever.
void Exchange::abandon() {
    connection = nullptr;
    wake_reader();
    wake_writer();
    task_.cancel(kClientLeft);
}

void Exchange::refuse(ParseError why) {
    refusal = std::move(why);
    wake_reader();
    task_.cancel(refusal->message);
}

void Exchange::clear() noexcept {
    request.clear(kKeepBytes);
    response.clear(kKeepBytes);
    connection = nullptr;
    refusal.reset();
    dispatched = answered = owes_continue = wants_content = content_complete = false;
    head_sent = chunked = closes = cut_off = false;
    task_ = {};
    reader_ = writer_ = {};
    std::size_t keep = kKeepBytes;
    clear_within(part_, keep);
}

std::string_view Exchange::read() {
    RequestParser::take_content(request, part_);
    while (part_.empty() && !content_complete) {
        if (connection == nullptr || refusal) throw runtime::Cancelled{kClientLeft};
        connection->want_content(*this);
        scheduler_.suspend([this](runtime::Waker waker) { reader_ = waker; });
        RequestParser::take_content(request, part_);
    }
    if (connection != nullptr) connection->content_taken(*this);
    return part_;
}

void Exchange::write(const Response& head, std::string_view part) {
    do {
        while (connection != nullptr && !connection->has_room_for(*this)) {
            scheduler_.suspend([this](runtime::Waker waker) { writer_ = waker; });
        }
        if (connection == nullptr) throw runtime::Cancelled{kClientLeft};
        part.remove_prefix(connection->append_content(*this, head, part));
    } while (!part.empty());
}

ServerCore::ServerCore(runtime::Reactor& r, RequestHandler h, RequestParser::StreamsBody s,
                       const ServerLimits& l, ErrorReporter& e)
    : reactor(r),
      handler(std::move(h)),
      streams_body(std::move(s)),
      limits(l),
      errors(e),
      read_buffer(kReadBufferBytes) {
    spare_buffers_.reserve(kSpareBuffers);
}

ServerCore::~ServerCore() {
    while (Exchange* exchange = exchanges_.pop_front()) delete exchange;
}

Exchange& ServerCore::take_exchange() {
    if (Exchange* spare = spare_exchanges_.pop_front()) {
        --spare_count_;
        return *spare;
    }
    auto* fresh = new Exchange(scheduler());
    exchanges_.push_back(*fresh);
    return *fresh;
}

void ServerCore::recycle(Exchange& exchange) noexcept {
    if (spare_count_ == kSpareExchanges) {
        delete &exchange;
        return;
    }
    exchange.clear();
    spare_exchanges_.push_front(exchange);
    ++spare_count_;
}

std::string ServerCore::take_buffer() noexcept {
    if (spare_buffers_.empty()) return {};
    std::string buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

void ServerCore::recycle(std::string&& buffer) noexcept {
    std::string taken = std::exchange(buffer, {});
    if (taken.capacity() > kKeepBytes || spare_buffers_.size() == kSpareBuffers) return;
    taken.clear();
    spare_buffers_.push_back(std::move(taken));
}

}  // namespace ringmaster::http
