#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/reply.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ringmaster::redis {

class Batch;
class Request;

/// Who has a request in his hands: a Server that has no connection yet, or a Connection.
class Carrier {
  public:
    virtual ~Carrier() = default;
    /// Nobody waits for it any more, and it may be gone as soon as this returns. Whether it may
    /// have been sent.
    virtual bool forget(Request& request) noexcept = 0;
};

/// One command on its way to one server, and what became of it. Belongs to a Batch. May be sent
/// again once it is finished.
class Request : public ListHook<Carrier> {
  public:
    enum class Outcome : std::uint8_t {
        none,       ///< not sent, or under way
        answered,   ///< the server's word, which may be an error
        lost,       ///< the connection was, before the answer came: maybe_sent says more
        refused,    ///< can't be sent before the deadline, or not at all
        timed_out,  ///< the deadline passed; maybe_sent says more
        withdrawn,  ///< carried out, but too few replicas have it
    };

    /// From Command::bytes(). Must stay until the request is finished.
    std::string_view command;
    /// Sent right before it, e.g. ASKING: its reply is dropped. As above.
    std::string_view before;

    Outcome outcome() const noexcept { return outcome_; }
    bool is_under_way() const noexcept { return carrier_ != nullptr; }
    bool answered() const noexcept { return outcome_ == Outcome::answered; }
    /// Where it is not answered: whether the server may have carried it out all the same.
    bool maybe_sent() const noexcept { return maybe_sent_; }
    /// The server's word. Precondition: answered().
    Reply& reply() noexcept { return *answer_; }
    /// Why there is none. Precondition: finished, and not answered.
    const Error& error() const noexcept { return answer_.error(); }
    /// Either of them, to be moved from.
    Result<Reply>& answer() noexcept { return answer_; }
    Deadline deadline() const noexcept { return deadline_; }
    /// Its carrier forgets it, and it ends with Outcome::timed_out. Harmless unless it is under
    /// way.
    void time_out() noexcept;

    // --- for carriers --------------------------------------------------------------------------

    /// `carrier` has it from now on. Precondition: nobody else has.
    void begin(Carrier& carrier, Deadline deadline) noexcept;
    /// It goes from one carrier to another.
    void hand_over(Carrier& carrier) noexcept { carrier_ = &carrier; }
    /// It has come to its end, and is not touched by the carrier any more.
    void finish(Reply&& reply) noexcept;
    void fail(Outcome outcome, Error why, bool maybe_sent) noexcept;
    /// The answer does not count after all. Precondition: answered().
    void withdraw(Error why) noexcept;

    std::uint64_t place = 0;  ///< where the carrier finds it

  private:
    friend class Batch;
    void end() noexcept;

    Batch* batch_ = nullptr;
    Carrier* carrier_ = nullptr;  ///< null unless it is under way
    Deadline deadline_;
    Outcome outcome_ = Outcome::none;
    bool maybe_sent_ = false;
    Result<Reply> answer_ = Error{ErrorCode::unavailable, "not sent"};
};

/// Requests, to one server or to many, for which one fiber waits together. Its memory is taken
/// once: rounds of sending and waiting may follow each other.
class Batch {
  public:
    Batch(runtime::Scheduler& scheduler, std::size_t count);
    /// Those still under way are forgotten.
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    std::size_t size() const noexcept { return count_; }
    Request& operator[](std::size_t index) noexcept { return requests_[index]; }
    Request* begin() noexcept { return requests_.get(); }
    Request* end() noexcept { return requests_.get() + count_; }

    /// Suspends until none is under way. At `deadline` those that are end with Outcome::timed_out.
    void wait(Deadline deadline);
    /// Suspends until one has ended since the last time, none is under way, or it is `until`: those
    /// under way go on.
    void wait_for_some(Deadline until);

  private:
    friend class Request;
    runtime::WaitQueue waiter_;
    bool wants_each_ = false;
    bool one_has_ended_ = false;
    std::unique_ptr<Request[]> requests_;
    const std::size_t count_;
    std::size_t under_way_ = 0;
};

}  // namespace ringmaster::redis
