#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// Tells a service manager how the daemon does, in the protocol of sd_notify(3): one datagram for
/// each message. A manager that is not there or does not read costs nothing but the message.
class ServiceNotification {
  public:
    /// `socket` is a path, or a name in the abstract namespace behind an at sign; empty: there is
    /// no manager. `watchdog` is how long it waits for a sign of life; 0: it does not.
    ServiceNotification(std::string socket, std::chrono::microseconds watchdog);
    ~ServiceNotification();
    ServiceNotification(const ServiceNotification&) = delete;
    ServiceNotification& operator=(const ServiceNotification&) = delete;

    /// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment.
    static ServiceNotification of_environment();

    /// "READY=1", to which the process id is added; "RELOADING=1", with the time; "STOPPING=1".
    void tell(std::string_view state, SteadyTime now) noexcept;
    /// One line for people, where it is not the same as the last one.
    void tell_status(const std::string& text) noexcept;

    /// Sends a sign of life where it is time for one and `alive`, that is asked only then, agrees.
    template <class Alive>
    void keep_alive(SteadyTime now, Alive&& alive) noexcept {
        if (!next_sign_ || now < *next_sign_) return;
        next_sign_ = now + watchdog_ / 2;
        if (alive(watchdog_)) send("WATCHDOG=1");
    }
    /// Nothing: there is none to be sent.
    std::optional<SteadyTime> next_sign() const noexcept { return next_sign_; }

  private:
    void send(std::string_view message) noexcept;

    const std::string address_;  ///< as the kernel has it
    const std::chrono::microseconds watchdog_;
    int fd_ = -1;
    std::optional<SteadyTime> next_sign_;
    std::string status_;
};

/// Whether the loop of each shard that serves has turned within `interval`. One that recovers has
/// none yet, for as long as that takes.
bool all_alive(const shard::SharedPage& page, SteadyTime now,
               std::chrono::microseconds interval) noexcept;

}  // namespace ringmaster::app
