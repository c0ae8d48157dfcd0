#pragma once

#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/peer_link.hpp"
#include "ringmaster/shard/peer_messages.hpp"

#include <optional>
#include <string>
#include <utility>

namespace ringmaster::shard {

/// A fiber that waits for the answer to one call of peer_messages.hpp.
template <class T>
class Asker final : public PeerLink::Call {
  public:
    bool answered(const FrameHead& head, std::string_view payload) override {
        answer = decode_answer<T>(head, payload);
        if (!answer) return false;
        waker.wake();
        return true;
    }
    void lost(const Error& why) override {
        answer = why;
        waker.wake();
    }

    runtime::Waker waker;
    std::optional<Result<T>> answer;
};

/// Suspends. Makes a call, and returns its answer. ErrorCode::timeout at `deadline`, and what
/// PeerLink::send() and Call::lost() have.
template <class Call>
Result<typename Call::Answer> ask(PeerLink& link, const Call& call, Deadline deadline) {
    Asker<typename Call::Answer> asker;
    std::string payload;
    append_value(payload, call);
    if (auto sent = link.send(asker, Call::kType, deadline, payload); !sent) return sent.error();
    payload = {};
    const runtime::Waiting waiting(link.scheduler(), runtime::WaitsFor::peer);
    link.scheduler().suspend([&](runtime::Waker waker) { asker.waker = waker; }, deadline);
    if (asker.answer) return *std::move(asker.answer);
    asker.time_out();
    return Error{ErrorCode::timeout, link.peer() + " has not answered in time"};
}

}  // namespace ringmaster::shard
