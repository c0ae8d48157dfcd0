#include "ringmaster/runtime/stall_watch.hpp"

#include <algorithm>

#include "stack_probe.hpp"
#include "start_thread.hpp"

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestSleep{1};

}  // namespace

StallWatch::StallWatch(Scheduler& scheduler, const Clock& clock, Log& log, milliseconds warn_after)
    : heartbeat_(scheduler.heartbeat()),
      clock_(clock),
      log_(log),
      warn_after_(warn_after),
      minute_begin_(clock.steady_now()) {
    if (warn_after == milliseconds::zero()) return;
    probe_ = std::make_unique<StackProbe>();
    thread_ = start_thread("stall-watch", [this] { watch(); });
}

StallWatch::~StallWatch() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void StallWatch::watch() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        const SteadyTime::duration sleep = look();
        lock.lock();
        wake_.wait_for(lock, sleep, [this] { return stopping_; });
    }
}

/// Returns how long it takes at least until there may be something to tell.
SteadyTime::duration StallWatch::look() {
    const auto since = heartbeat_.since();
    const SteadyTime now = clock_.steady_now();
    begin_minute(now);
    if (!since || since == told_) return warn_after_;
    const SteadyTime::duration held = now - *since;
    if (held < warn_after_)
        return std::max<SteadyTime::duration>(warn_after_ - held, kShortestSleep);
    told_ = since;
    tell(*since, held);
    return warn_after_;
}

void StallWatch::tell(SteadyTime since, SteadyTime::duration held) {
    const char* const fiber = heartbeat_.fiber();
    if (heartbeat_.since() != since) return;  // it let go at the last moment
    if (told_in_minute_ == kMaxToldPerMinute) {
        ++untold_in_minute_;
        return;
    }
    ++told_in_minute_;
    const std::string who =
        fiber != nullptr ? "the fiber '" + std::string(fiber) + "'" : "a callback";
    const auto ms = std::chrono::floor<milliseconds>(held).count();
    log_.warning(who + " has held the reactor for " + std::to_string(ms) + " ms; " + where(since));
}

std::string StallWatch::where(SteadyTime since) {
    const auto frames = probe_->look();
    if (heartbeat_.since() != since) return "it went on before it could be seen where it was";
    if (frames.empty()) return "where it is can't be seen: it does not take signals";
    std::string told = "it is at " + describe_address(frames.front());
    for (std::size_t i = 1; i < frames.size(); ++i) {
        // A call returns to the instruction after it, which may be another function's.
        told += " < " + describe_address(static_cast<char*>(frames[i]) - 1);
    }
    return told;
}

void StallWatch::begin_minute(SteadyTime now) {
    if (now - minute_begin_ < std::chrono::minutes(1)) return;
    if (untold_in_minute_ > 0) {
        log_.warning("the reactor was held too long " + std::to_string(untold_in_minute_) +
                     " more times in the last minute");
    }
    minute_begin_ = now;
    told_in_minute_ = 0;
    untold_in_minute_ = 0;
}

}  // namespace ringmaster::runtime
