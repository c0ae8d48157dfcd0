#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/histogram.hpp"
#include "ringmaster/base/intrusive_list.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>

namespace ringmaster::flow {

struct EaseInGateOptions {
    /// How long a caller waits for an answer; a call that is older has been missed. From 1 ms.
    std::chrono::milliseconds deadline{50};
    /// An answer is slow that took longer than this and than latency_factor (from 1) times the
    /// baseline, or longer than the deadline.
    std::chrono::milliseconds latency_floor{10};
    double latency_factor = 3;
    double max_missed_share = 0.2;  ///< of calls that failed or were missed; from 0, below 1
    /// Calls are judged together: those of so long a time (from 1 ms), and at least so many (from
    /// 1), so that one slow call of three means nothing.
    std::chrono::milliseconds interval{100};
    std::uint32_t min_calls = 20;
    std::uint32_t max_in_flight = 1024;  ///< calls under way while healthy; from 1
    /// Of the first refusal (from 1 ms), and of the longest; each is cut short at random by up to
    /// half, so that gates that tripped together don't come back together.
    std::chrono::milliseconds min_cooldown{250};
    std::chrono::milliseconds max_cooldown{30'000};
    std::chrono::milliseconds forgive_after{10'000};      ///< of health: cool-downs are short again
    std::chrono::milliseconds forget_after{10 * 60'000};  ///< without health: the baseline goes
};

/// Bounds the calls to a neighbour (another shard, Redis) that may be slow, hung or dead, so that
/// nobody waits for it in vain: who gets no permit answers at once without it. It is a window, that
/// is, how many calls may be under way, and no switch:
///
/// - *healthy*: the window is max_in_flight. The baseline follows the median latency, slowly.
/// - *refusing*: the window is 0, for a cool-down that doubles each time in a row.
/// - *probing*: the window is 1. If the first call is answered in time, the gate eases in; how
///   quickly does not matter, since one call proves nothing. Otherwise it refuses again.
/// - *easing in*: the window is 1, and doubles with each clean interval, until one in which it has
///   held nobody back: healthy. A bad interval halves it; below 1 the gate refuses again.
///
/// An interval is bad when too many of its calls were missed, or when more than half of its answers
/// were slow, by more than chance (two standard deviations); if by less, it changes nothing, and
/// otherwise it is clean. It lasts for `interval` and min_calls at least, so that neither a short
/// stall nor an odd call decides; only where so many were missed that no further call could mend
/// it, min_calls are not waited for.
///
/// A *silent* neighbour needs no interval: where a call is older than the deadline and none has
/// been answered since it began, the gate refuses, whatever the window, for a smaller one would
/// only let fewer wait in vain. This is looked for at every entry too, when no answer ever comes.
/// (A process that has itself stood still for longer than the deadline finds all its neighbours
/// silent. It costs one short cool-down.)
///
/// When the gate refuses, or halves its window, what is still under way no longer counts: the
/// answers of an old time say nothing about the new one. The baseline stands still while the gate
/// is not healthy, and a gate without one goes by the deadline alone: at first, and again where
/// health has been missing for forget_after, for what has lasted so long is how the neighbour is
/// now.
///
/// No I/O, no fibers, no clock of its own: time is handed in, and must not go backwards. Nothing
/// runs on a timer. For one thread. Takes 20 KiB, and allocates nothing.
class EaseInGate {
    struct Key {
        explicit Key() = default;
    };

  public:
    enum class State { healthy, refusing, probing, easing_in };

    struct Stats {
        State state = State::healthy;
        std::uint32_t window = 0;         ///< how many calls may be under way
        std::uint32_t in_flight = 0;      ///< are under way, those from before the last trip too
        Histogram::Duration baseline{0};  ///< none where it is not known
        Histogram::Duration latency_limit{0};  ///< for the median
        // Since the gate was made:
        std::uint64_t entered = 0;
        std::uint64_t refused = 0;
        std::uint64_t missed = 0;         ///< failed, or older than the deadline
        std::uint64_t trips = 0;          ///< from healthy or easing in to refusing
        std::uint64_t failed_probes = 0;  ///< from probing to refusing
    };

    /// A call under way: the caller's right to make it, ended by the first verdict. Destroyed
    /// without one (an exception, a client that left) it says nothing about the neighbour; a probe
    /// is then left to the next caller. Stays where it was made, and must not outlive its gate.
    class Permit : public ListHook<EaseInGate> {
      public:
        Permit(Key, EaseInGate& gate, SteadyTime now) noexcept;
        ~Permit();

        /// The neighbour has answered, be it too late.
        void succeeded(SteadyTime now) noexcept;
        /// There is no answer: an error, or the deadline has passed. Who gives up earlier, for
        /// reasons of his own, destroys the permit instead.
        void failed(SteadyTime now) noexcept;

      private:
        friend class EaseInGate;
        EaseInGate* gate_;  ///< null after the verdict
        const SteadyTime began_;
        const std::uint64_t era_;
    };

    /// Gates of one process want different seeds. Throws std::invalid_argument where the options
    /// make no sense.
    EaseInGate(const EaseInGateOptions& options, std::uint32_t seed);
    ~EaseInGate();
    EaseInGate(const EaseInGate&) = delete;
    EaseInGate& operator=(const EaseInGate&) = delete;

    /// None: don't call, and answer without the neighbour. O(1), but for each call that is found
    /// missed.
    std::optional<Permit> try_enter(SteadyTime now) noexcept;

    Stats stats() const noexcept;

  private:
    enum class Answer { none, came };

    void end(Permit& permit, Answer answer, SteadyTime now) noexcept;
    void leave(const Permit& permit) noexcept;
    void look_for_missed(SteadyTime now) noexcept;
    void count(Answer answer, Histogram::Duration latency, SteadyTime now) noexcept;
    void judge(SteadyTime now) noexcept;
    void clean(SteadyTime now) noexcept;
    void relapse(SteadyTime now) noexcept;
    void refuse(SteadyTime now) noexcept;
    void probe(SteadyTime now) noexcept;
    void begin_interval() noexcept;
    void learn(Histogram::Duration median) noexcept;
    Histogram::Duration latency_limit() const noexcept;

    const EaseInGateOptions options_;
    std::mt19937 random_;  // minstd_rand begins alike with seeds that are close together

    State state_ = State::healthy;
    std::uint32_t window_;
    std::uint32_t in_flight_ = 0;
    std::uint32_t stale_ =
        0;                   ///< of these, from before the last trip: the window has room for them
    std::uint64_t era_ = 0;  ///< begins anew with each trip
    IntrusiveList<Permit, EaseInGate> awaited_;  ///< those whose end counts, the oldest first
    SteadyTime heard_ = SteadyTime::min();       ///< when an answer came last

    // The interval:
    Histogram latencies_;
    std::uint64_t missed_ = 0;
    SteadyTime interval_began_{};  ///< with its first verdict
    bool held_back_ = false;       ///< somebody was, by the window

    Histogram::Duration baseline_{0};
    std::uint32_t intervals_learnt_ = 0;
    SteadyTime healthy_since_ = SteadyTime::min();
    SteadyTime unhealthy_since_{};
    SteadyTime refuse_until_{};
    Histogram::Duration cooldown_;  ///< the next one

    Stats counters_;  ///< only what counts up
};

}  // namespace ringmaster::flow
