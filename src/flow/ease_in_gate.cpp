#include "ringmaster/flow/ease_in_gate.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <stdexcept>

namespace ringmaster::flow {
namespace {

using Duration = Histogram::Duration;

/// The baseline is the mean of the medians of so many intervals, older ones fading: half a minute
/// at the default interval.
constexpr std::uint32_t kBaselineIntervals = 256;

void require(bool sensible, const char* what) {
    if (!sensible) throw std::invalid_argument(what);
}

const EaseInGateOptions& checked(const EaseInGateOptions& options) {
    constexpr std::chrono::milliseconds kZero{0};
    require(options.deadline > kZero, "a gate's deadline must be at least 1 ms");
    require(options.latency_floor >= kZero, "a gate's latency_floor must not be negative");
    require(options.latency_factor >= 1, "a gate's latency_factor must be at least 1");
    require(options.max_missed_share >= 0 && options.max_missed_share < 1,
            "a gate's max_missed_share must be at least 0 and below 1");
    require(options.interval > kZero, "a gate's interval must be at least 1 ms");
    require(options.min_calls > 0, "a gate's min_calls must be at least 1");
    require(options.max_in_flight > 0, "a gate's max_in_flight must be at least 1");
    require(options.min_cooldown > kZero, "a gate's min_cooldown must be at least 1 ms");
    require(options.max_cooldown >= options.min_cooldown,
            "a gate's max_cooldown must not be shorter than its min_cooldown");
    require(options.forgive_after >= kZero, "a gate's forgive_after must not be negative");
    require(options.forget_after >= kZero, "a gate's forget_after must not be negative");
    return options;
}

Duration times(Duration duration, double factor) noexcept {
    return Duration(std::llround(static_cast<double>(duration.count()) * factor));
}

}  // namespace

EaseInGate::Permit::Permit(Key, EaseInGate& gate, SteadyTime now) noexcept
    : gate_(&gate), began_(now), era_(gate.era_) {
    gate.awaited_.push_back(*this);
    ++gate.in_flight_;
}

EaseInGate::Permit::~Permit() {
    if (gate_ != nullptr) gate_->leave(*this);
}

void EaseInGate::Permit::succeeded(SteadyTime now) noexcept {
    assert(gate_ != nullptr);
    gate_->end(*this, Answer::came, now);
}

void EaseInGate::Permit::failed(SteadyTime now) noexcept {
    assert(gate_ != nullptr);
    gate_->end(*this, Answer::none, now);
}

EaseInGate::EaseInGate(const EaseInGateOptions& options, std::uint32_t seed)
    : options_(checked(options)),
      random_(seed),
      window_(options.max_in_flight),
      cooldown_(options.min_cooldown) {}

EaseInGate::~EaseInGate() {
    assert(in_flight_ == 0);
}

std::optional<EaseInGate::Permit> EaseInGate::try_enter(SteadyTime now) noexcept {
    look_for_missed(now);
    if (state_ == State::refusing && now >= refuse_until_) probe(now);
    if (in_flight_ - stale_ >= window_) {
        held_back_ = true;
        ++counters_.refused;
        return std::nullopt;
    }
    ++counters_.entered;
    return std::optional<Permit>(std::in_place, Key(), *this, now);
}

EaseInGate::Stats EaseInGate::stats() const noexcept {
    Stats stats = counters_;
    stats.state = state_;
    stats.window = window_;
    stats.in_flight = in_flight_;
    stats.baseline = baseline_;
    stats.latency_limit = latency_limit();
    return stats;
}

void EaseInGate::end(Permit& permit, Answer answer, SteadyTime now) noexcept {
    if (answer == Answer::came) heard_ = now;
    look_for_missed(now);  // which this call may be itself
    if (permit.is_linked()) {
        permit.unlink();
        count(answer, now - permit.began_, now);
    }
    leave(permit);
    permit.gate_ = nullptr;
}

void EaseInGate::leave(const Permit& permit) noexcept {
    --in_flight_;
    if (permit.era_ != era_) --stale_;
}

void EaseInGate::look_for_missed(SteadyTime now) noexcept {
    while (Permit* oldest = awaited_.front()) {
        const Duration age = now - oldest->began_;
        if (age < options_.deadline) return;
        const bool silent = heard_ <= oldest->began_;
        oldest->unlink();
        if (silent) {
            ++counters_.missed;
            return refuse(now);
        }
        count(Answer::none, age, now);
    }
}

void EaseInGate::count(Answer answer, Duration latency, SteadyTime now) noexcept {
    if (latencies_.count() + missed_ == 0) interval_began_ = now;
    if (answer == Answer::came) {
        latencies_.record(latency);
    } else {
        ++missed_;
        ++counters_.missed;
    }
    judge(now);
}

void EaseInGate::judge(SteadyTime now) noexcept {
    if (state_ == State::probing) return missed_ > 0 ? relapse(now) : clean(now);
    if (now - interval_began_ < options_.interval) return;
    const std::uint64_t answered = latencies_.count();
    const std::uint64_t calls = answered + missed_;
    const std::uint64_t base = std::max<std::uint64_t>(calls, options_.min_calls);
    const double most_missed = options_.max_missed_share * static_cast<double>(base);
    if (static_cast<double>(missed_) > most_missed) return relapse(now);
    if (calls < options_.min_calls) return;
    // Of n answers that are slow or not with the same chance, n/2 are, give or take sqrt(n)/2.
    const double margin = 1 / std::sqrt(static_cast<double>(answered));
    if (latencies_.quantile(std::max(0.5 - margin, 0.0)) > latency_limit()) return relapse(now);
    if (latencies_.quantile(0.5) <= latency_limit()) return clean(now);
    begin_interval();
}

void EaseInGate::clean(SteadyTime now) noexcept {
    switch (state_) {
        case State::healthy: learn(latencies_.quantile(0.5)); break;
        case State::probing: state_ = State::easing_in; break;
        case State::easing_in:
            if (held_back_ && window_ < options_.max_in_flight) {
                window_ =
                    window_ > options_.max_in_flight / 2 ? options_.max_in_flight : 2 * window_;
            } else {
                state_ = State::healthy;
                healthy_since_ = now;
                window_ = options_.max_in_flight;
            }
            break;
        case State::refusing: assert(false); break;  // nothing is awaited
    }
    begin_interval();
}

void EaseInGate::relapse(SteadyTime now) noexcept {
    if (state_ != State::easing_in || window_ == 1) return refuse(now);
    window_ /= 2;
    begin_interval();
    // They queue at the neighbour because of the larger window; only for them there is no room.
    while (awaited_.pop_front() != nullptr) {
    }
}

void EaseInGate::refuse(SteadyTime now) noexcept {
    if (state_ == State::healthy) {
        unhealthy_since_ = now;
        if (healthy_since_ <= now - options_.forgive_after) cooldown_ = options_.min_cooldown;
    }
    ++(state_ == State::probing ? counters_.failed_probes : counters_.trips);
    const double part = static_cast<double>(random_()) / static_cast<double>(random_.max());
    refuse_until_ = now + times(cooldown_, 1 - part / 2);
    cooldown_ = std::min<Duration>(2 * cooldown_, options_.max_cooldown);
    state_ = State::refusing;
    window_ = 0;
    ++era_;
    stale_ = in_flight_;
    begin_interval();
    while (awaited_.pop_front() != nullptr) {
    }
}

void EaseInGate::probe(SteadyTime now) noexcept {
    if (now - unhealthy_since_ >= options_.forget_after) {
        baseline_ = Duration(0);
        intervals_learnt_ = 0;
    }
    state_ = State::probing;
    window_ = 1;
}

void EaseInGate::begin_interval() noexcept {
    latencies_.clear();
    missed_ = 0;
    held_back_ = false;
}

void EaseInGate::learn(Duration median) noexcept {
    intervals_learnt_ = std::min(intervals_learnt_ + 1, kBaselineIntervals);
    baseline_ += (median - baseline_) / intervals_learnt_;
}

Duration EaseInGate::latency_limit() const noexcept {
    if (intervals_learnt_ == 0) return options_.deadline;
    const Duration limit =
        std::max<Duration>(options_.latency_floor, times(baseline_, options_.latency_factor));
    return std::min<Duration>(limit, options_.deadline);
}

}  // namespace ringmaster::flow
