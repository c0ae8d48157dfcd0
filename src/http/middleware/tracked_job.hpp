#pragma once

#include "ringmaster/runtime/fiber.hpp"

#include <optional>

namespace ringmaster::http {

/// A job of a runtime::FanOut, which keeps to itself where one was cancelled by somebody else: by
/// the server, for example, whose streams throw runtime::Cancelled where the client has left.
class TrackedJob {
  public:
    template <class Function>
    void run(Function&& function) {
        try {
            function();
            done_ = true;
        } catch (const runtime::Cancelled& cancelled) {
            cancelled_ = cancelled;
            throw;
        }
    }
    /// Whether it has come to its end, and not by an exception.
    bool done() const noexcept { return done_; }
    void rethrow_cancelled() const {
        if (cancelled_) throw runtime::Cancelled(*cancelled_);
    }

  private:
    bool done_ = false;
    std::optional<runtime::Cancelled> cancelled_;
};

}  // namespace ringmaster::http
