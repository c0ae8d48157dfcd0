#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace ringmaster::runtime {

class StackProbe;

/// Tells in the log which fiber or callback holds the reactor's thread longer than it should, and
/// where it is (a backtrace), while it is still at it: so one that never comes back is told too. A
/// thread of its own looks for it, some forty times a second with the usual 25 ms; the one that is
/// watched pays for the Heartbeat only. How long it was in the end stands in Reactor::lag().
///
/// To see where the other thread is, it is sent SIGURG (see StackProbe in src/runtime). Each
/// reactor of a process may have a watch.
class StallWatch {
  public:
    /// Of so many the log is told in a minute; then it is told how many more there were.
    static constexpr int kMaxToldPerMinute = 5;

    /// To be made and destroyed on the thread that runs `scheduler`. `clock` is the scheduler's,
    /// and is read by another thread now. Nothing is watched where `warn_after` is 0. Throws
    /// std::system_error where the thread can't be started.
    StallWatch(Scheduler& scheduler, const Clock& clock, Log& log,
               std::chrono::milliseconds warn_after);
    ~StallWatch();
    StallWatch(const StallWatch&) = delete;
    StallWatch& operator=(const StallWatch&) = delete;

  private:
    void watch();
    SteadyTime::duration look();
    void tell(SteadyTime since, SteadyTime::duration held);
    std::string where(SteadyTime since);
    void begin_minute(SteadyTime now);

    const Heartbeat& heartbeat_;
    const Clock& clock_;
    Log& log_;
    const std::chrono::milliseconds warn_after_;
    std::unique_ptr<StackProbe> probe_;

    // Of the watching thread alone.
    std::optional<SteadyTime> told_;  ///< the beginning of the stall that was told last
    SteadyTime minute_begin_;
    int told_in_minute_ = 0;
    std::uint64_t untold_in_minute_ = 0;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace ringmaster::runtime
