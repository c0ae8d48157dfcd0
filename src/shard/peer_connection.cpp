#include "peer_connection.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::shard {
namespace {

/// Of either buffer: what a large frame needed beyond it is given back.
constexpr std::size_t kKeepBytes = 64 * 1024;

Error closed(const char* what) {
    return {ErrorCode::closed, what};
}
Error nonsense(const char* what) {
    return {ErrorCode::damaged, what};
}

}  // namespace

Result<std::shared_ptr<PeerConnection>> PeerConnection::start(runtime::Reactor& reactor, User& user,
                                                              const PeerConnectionLimits& limits,
                                                              int fd) {
    std::shared_ptr<PeerConnection> connection;
    try {
        connection = std::make_shared<PeerConnection>(reactor, user, limits, fd);
    } catch (const boost::system::system_error& error) {
        ::close(fd);
        return Error{ErrorCode::closed, error.what()};
    }
    connection->output_ = greeting();
    reactor.scheduler().defer(connection->turn_end_);
    connection->take_frames();
    return connection;
}

PeerConnection::PeerConnection(runtime::Reactor& reactor, User& user,
                               const PeerConnectionLimits& limits, int fd)
    : reactor_(reactor),
      user_(&user),
      limits_(limits),
      socket_(reactor, AF_UNIX, fd),
      turn_end_(runtime::Callback::of<&PeerConnection::on_turn_end>(*this)) {}

Result<void> PeerConnection::send(FrameHead head, std::string_view payload) {
    if (payload.size() > limits_.frames.max_bytes(head.type)) {
        return Error{ErrorCode::invalid, "what is to be sent to another shard has " +
                                             std::to_string(payload.size()) + " bytes; at most " +
                                             std::to_string(limits_.frames.max_bytes(head.type)) +
                                             " are allowed"};
    }
    head.payload_bytes = static_cast<std::uint32_t>(payload.size());
    output_.reserve(output_.size() + FrameHead::kBytes + payload.size());
    output_.resize(output_.size() + FrameHead::kBytes);
    head.encode(output_.data() + output_.size() - FrameHead::kBytes);
    output_ += payload;
    reactor_.scheduler().defer(turn_end_);
    return {};
}

void PeerConnection::resume() noexcept {
    is_paused_ = false;
    reactor_.scheduler().defer(turn_end_);
}

void PeerConnection::finish() noexcept {
    is_finishing_ = true;
    is_paused_ = true;
    reactor_.scheduler().defer(turn_end_);
}

void PeerConnection::close() noexcept {
    if (std::exchange(user_, nullptr) == nullptr) return;
    turn_end_.unlink();
    socket_.close();
}

// ---------------------------------------------------------------------------------------------
// Entry points

// Whatever goes wrong here is this connection's own misfortune.
template <class Action>
void PeerConnection::enter(Action&& action) noexcept {
    const auto self = shared_from_this();  // the user may let go of it meanwhile
    if (user_ == nullptr) return;
    try {
        action();
    } catch (...) {
        reactor_.scheduler().errors().report("shard connection", std::current_exception());
        if (user_ != nullptr) end(closed("the connection to the other shard has failed"));
    }
}

void PeerConnection::on_readable(bool usable) {
    reading_ = false;
    enter([&] { usable ? read() : end(closed("the connection is gone")); });
}

void PeerConnection::on_writable(bool usable) {
    writing_ = false;
    enter([&] { usable ? on_turn_end() : end(closed("the connection is gone")); });
}

void PeerConnection::on_turn_end() {
    enter([this] {
        flush();
        if (user_ == nullptr) return;
        if (is_finishing_ && unsent() == 0) return end(closed("this shard takes no more calls"));
        take_frames();
    });
}

// ---------------------------------------------------------------------------------------------
// Reading

void PeerConnection::read() {
    if (!may_take_frames()) return;  // resume() waits again
    const net::IoResult got = socket_.read_some({input_.get() + end_, capacity_ - end_});
    switch (got.status) {
        case net::IoResult::Status::moved: end_ += got.bytes; return take_frames();
        case net::IoResult::Status::would_block: return wait_readable();
        case net::IoResult::Status::end: return end(closed("the other shard has hung up"));
        case net::IoResult::Status::failed: return end(closed("the connection is gone"));
    }
}

void PeerConnection::take_frames() {
    std::size_t wanted = kGreetingBytes;
    while (may_take_frames()) {
        const std::string_view bytes(input_.get() + begin_, end_ - begin_);
        if (!was_greeted_) {
            if (bytes.size() < kGreetingBytes) break;
            if (auto greeted = check_greeting(bytes); !greeted) return end(greeted.error());
            was_greeted_ = true;
            begin_ += kGreetingBytes;
            continue;
        }
        wanted = FrameHead::kBytes;
        if (bytes.size() < wanted) break;
        const auto head = FrameHead::decode(bytes);
        if (!head || head->payload_bytes > limits_.frames.max_bytes(head->type)) {
            return end(nonsense("the other shard has sent what is no frame"));
        }
        wanted += head->payload_bytes;
        if (bytes.size() < wanted) break;
        begin_ += wanted;
        const bool right =
            user_->on_frame(*head, bytes.substr(FrameHead::kBytes, head->payload_bytes));
        if (user_ == nullptr) return;
        if (!right) return end(nonsense("the other shard has sent what makes no sense"));
    }
    if (!may_take_frames()) return;
    make_room(wanted);
    wait_readable();
}

/// Moves what is not decoded yet to where `bytes` have room, with it as their beginning.
void PeerConnection::make_room(std::size_t bytes) {
    const std::size_t held = end_ - begin_;
    const std::size_t needed = std::max(bytes, kKeepBytes);
    if (capacity_ < needed || (capacity_ > needed && held == 0)) {
        auto other = std::make_unique_for_overwrite<char[]>(needed);
        std::copy_n(input_.get() + begin_, held, other.get());
        input_ = std::move(other);
        capacity_ = needed;
    } else if (begin_ > 0) {
        std::memmove(input_.get(), input_.get() + begin_, held);
    }
    begin_ = 0;
    end_ = held;
}

void PeerConnection::wait_readable() {
    if (reading_) return;
    reading_ = true;
    socket_.wait_readable([self = shared_from_this()](bool usable) { self->on_readable(usable); });
}

// ---------------------------------------------------------------------------------------------
// Writing

void PeerConnection::flush() {
    if (writing_) return;
    while (unsent() > 0) {
        const net::IoResult put = socket_.write_some(std::string_view(output_).substr(sent_));
        if (put.status == net::IoResult::Status::moved) {
            sent_ += put.bytes;
            continue;
        }
        if (put.status != net::IoResult::Status::would_block) {
            return end(closed("the connection is gone"));
        }
        // Not each time, or much that leaves in small portions would be moved over and over.
        if (sent_ >= output_.size() / 2) output_.erase(0, std::exchange(sent_, 0));
        writing_ = true;
        socket_.wait_writable(
            [self = shared_from_this()](bool usable) { self->on_writable(usable); });
        return;
    }
    output_.clear();
    sent_ = 0;
    if (output_.capacity() > kKeepBytes) output_.shrink_to_fit();
}

void PeerConnection::end(const Error& why) {
    User* const user = user_;
    close();
    user->on_end(why);
}

}  // namespace ringmaster::shard
