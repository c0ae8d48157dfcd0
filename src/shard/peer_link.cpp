#include "ringmaster/shard/peer_link.hpp"

#include "ringmaster/runtime/rare_warning.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "peer_connection.hpp"

namespace ringmaster::shard {
namespace {

/// A call's id is count << kPlaceBits | place, so that it is found without a search, and no id is
/// ever used twice.
constexpr unsigned kPlaceBits = 16;
constexpr std::uint64_t kPlaceMask = (std::uint64_t{1} << kPlaceBits) - 1;

}  // namespace

class PeerLink::State final : public PeerConnection::User {
  public:
    State(runtime::Reactor& reactor, Log& log, PeerLinkOptions options, Connect connect)
        : reactor_(reactor),
          warning_(reactor.scheduler(), log),
          options_(std::move(options)),
          connect_(std::move(connect)),
          waiting_(options_.max_calls) {
        assert(options_.max_calls <= kPlaceMask + 1);
        free_.reserve(options_.max_calls);
        for (std::size_t place = options_.max_calls; place > 0; --place) free_.push_back(place - 1);
    }
    ~State() override {
        assert(free_.size() == waiting_.size());
        if (connection_) connection_->close();
    }

    Result<void> send(PeerLink& link, Call& call, CallType type, Deadline deadline,
                      std::string_view payload) {
        auto sent = try_to_send(call, type, deadline, payload);
        ++(sent ? stats_.calls : stats_.refused);
        if (sent) call.link_ = &link;
        return sent;
    }

    void leave(const Call& call) noexcept {
        const std::size_t place = call.id_ & kPlaceMask;
        waiting_[place] = nullptr;
        free_.push_back(place);
    }
    void count_timeout() noexcept { ++stats_.timeouts; }

    PeerLinkStats stats() const noexcept {
        PeerLinkStats stats = stats_;
        stats.under_way = waiting_.size() - free_.size();
        return stats;
    }
    const std::string& peer() const noexcept { return options_.peer; }
    runtime::Scheduler& scheduler() const noexcept { return reactor_.scheduler(); }

  private:
    Result<void> try_to_send(Call& call, CallType type, Deadline deadline,
                             std::string_view payload) {
        assert(call.link_ == nullptr);
        if (free_.empty()) return overload("calls are under way");
        if (auto connected = ensure_connection(); !connected) return connected;
        if (connection_->unsent() > options_.max_unsent_bytes) return overload("bytes are unsent");
        const std::uint64_t id = ++calls_made_ << kPlaceBits | free_.back();
        auto sent = connection_->send(
            {.deadline_ns = FrameHead::ns_of(deadline), .call = id, .type = type}, payload);
        if (!sent) return sent;
        waiting_[free_.back()] = &call;
        free_.pop_back();
        call.id_ = id;
        return {};
    }

    Error overload(const char* what) const {
        return {ErrorCode::unavailable, "too many " + std::string(what) + " to " + options_.peer};
    }

    Result<void> ensure_connection() {
        if (connection_) return {};
        if (scheduler().now() < retry_at_) return failure_;
        auto fd = connect_();
        if (!fd) return failed(fd.error());
        auto started = PeerConnection::start(reactor_, *this, {.frames = options_.frames}, *fd);
        if (!started) return failed(started.error());
        connection_ = *std::move(started);
        ++stats_.connections;
        return {};
    }

    Error failed(const Error& why) {
        ++stats_.failures;
        retry_at_ = scheduler().now() + options_.retry_after;
        failure_ = {why.code, options_.peer + ": " + why.message};
        warning_.tell("no connection to " + failure_.message);
        return failure_;
    }

    bool on_frame(const FrameHead& head, std::string_view payload) override {
        if (!head.answer) return false;
        const std::size_t place = head.call & kPlaceMask;
        Call* const call = place < waiting_.size() ? waiting_[place] : nullptr;
        if (call == nullptr || call->id_ != head.call) {
            ++stats_.late_answers;
            return true;
        }
        if (!call->answered(head, payload)) return false;
        call->leave();
        return true;
    }

    void on_end(const Error& why) override {
        const bool was_there = std::exchange(connection_, nullptr)->was_greeted();
        Error error{ErrorCode::closed, why.message};
        if (!was_there || why.code == ErrorCode::damaged) {
            error = failed(error);  // such a one is as good as none
        } else {
            error.message.insert(0, options_.peer + ": ");
        }
        for (Call* const call : waiting_) {
            if (call == nullptr) continue;
            call->leave();
            call->lost(error);
        }
    }

    runtime::Reactor& reactor_;
    runtime::RareWarning warning_;
    const PeerLinkOptions options_;
    const Connect connect_;
    std::shared_ptr<PeerConnection> connection_;
    std::vector<Call*> waiting_;     ///< by place; null: nobody
    std::vector<std::size_t> free_;  ///< places where nobody waits
    std::uint64_t calls_made_ = 0;
    SteadyTime retry_at_ = SteadyTime::min();
    Error failure_{ErrorCode::closed, {}};  ///< of the last attempt to connect
    PeerLinkStats stats_;
};

void PeerLink::Call::time_out() noexcept {
    if (link_ != nullptr) link_->state_->count_timeout();
    leave();
}

void PeerLink::Call::leave() noexcept {
    if (PeerLink* const link = std::exchange(link_, nullptr)) link->state_->leave(*this);
}

PeerLink::PeerLink(runtime::Reactor& reactor, Log& log, PeerLinkOptions options, Connect connect)
    : state_(std::make_unique<State>(reactor, log, std::move(options), std::move(connect))) {}

PeerLink::~PeerLink() = default;

Result<void> PeerLink::send(Call& call, CallType type, Deadline deadline,
                            std::string_view payload) {
    return state_->send(*this, call, type, deadline, payload);
}

PeerLinkStats PeerLink::stats() const noexcept {
    return state_->stats();
}

const std::string& PeerLink::peer() const noexcept {
    return state_->peer();
}

runtime::Scheduler& PeerLink::scheduler() const noexcept {
    return state_->scheduler();
}

PeerLink::Connect connect_to(net::Endpoint endpoint) {
    return [endpoint = std::move(endpoint)]() -> Result<int> {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && ::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0)
            return fd;
        const int error = errno;
        if (fd >= 0) ::close(fd);
        return Error{error == EAGAIN ? ErrorCode::unavailable : ErrorCode::closed,
                     "can't connect to " + net::to_string(endpoint) + ": " +
                         std::generic_category().message(error)};
    };
}

}  // namespace ringmaster::shard
