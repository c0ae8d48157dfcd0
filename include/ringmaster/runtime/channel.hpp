#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cassert>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace ringmaster::runtime {

/// A bounded queue between fibers of one scheduler, first in, first out: who is faster waits for
/// who is slower. Nobody may wait any more when it is destroyed.
template <class T>
class Channel {
  public:
    /// Precondition: capacity > 0.
    Channel(Scheduler& scheduler, std::size_t capacity)
        : capacity_(capacity), senders_(scheduler), receivers_(scheduler) {
        assert(capacity > 0);
    }

    /// Suspends while it is full. False, and the value is dropped, where the channel is closed or
    /// `deadline` passed first.
    bool send(T value, Deadline deadline = {}) {
        while (!closed_ && values_.size() == capacity_) {
            if (senders_.wait(deadline) == WakeReason::timeout) return false;
        }
        if (closed_) return false;
        values_.push_back(std::move(value));
        receivers_.notify_one();
        return true;
    }

    /// Suspends while it is empty. Nothing where `deadline` passed first, or where the channel is
    /// closed and everything sent before has been received.
    std::optional<T> receive(Deadline deadline = {}) {
        while (!closed_ && values_.empty()) {
            if (receivers_.wait(deadline) == WakeReason::timeout) return std::nullopt;
        }
        if (values_.empty()) return std::nullopt;
        std::optional<T> value(std::move(values_.front()));
        values_.pop_front();
        senders_.notify_one();
        return value;
    }

    /// Nothing more can be sent. Everyone who waits goes on.
    void close() noexcept {
        closed_ = true;
        senders_.notify_all();
        receivers_.notify_all();
    }
    bool closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return values_.size(); }

  private:
    const std::size_t capacity_;
    std::deque<T> values_;
    WaitQueue senders_;
    WaitQueue receivers_;
    bool closed_ = false;
};

}  // namespace ringmaster::runtime
