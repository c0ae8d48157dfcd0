#include "ringmaster/app/service_notification.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr) return {};
    return value;
}

std::int64_t number_of(const std::string& text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// The name of an abstract socket begins with a zero byte.
std::string kernel_address(std::string socket) {
    if (socket.size() >= sizeof(sockaddr_un::sun_path)) return {};
    if (socket.starts_with('@')) socket[0] = '\0';
    return socket;
}

}  // namespace

ServiceNotification::ServiceNotification(std::string socket, std::chrono::microseconds watchdog)
    : address_(kernel_address(std::move(socket))), watchdog_(watchdog) {
    if (address_.empty()) return;
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (watchdog_.count() > 0) next_sign_ = SteadyTime::min();
}

ServiceNotification::~ServiceNotification() {
    if (fd_ >= 0) ::close(fd_);
}

ServiceNotification ServiceNotification::of_environment() {
    const std::string pid = variable("WATCHDOG_PID");
    const bool meant = pid.empty() || number_of(pid) == ::getpid();
    return {variable("NOTIFY_SOCKET"),
            std::chrono::microseconds(meant ? number_of(variable("WATCHDOG_USEC")) : 0)};
}

void ServiceNotification::tell(std::string_view state, SteadyTime now) noexcept {
    std::string message(state);
    if (state == "READY=1") message += "\nMAINPID=" + std::to_string(::getpid());
    if (state == "RELOADING=1") {
        const auto time =
            std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
        message += "\nMONOTONIC_USEC=" + std::to_string(time.count());
    }
    send(message);
}

void ServiceNotification::tell_status(const std::string& text) noexcept {
    if (text == status_) return;
    status_ = text;
    send("STATUS=" + text);
}

void ServiceNotification::send(std::string_view message) noexcept {
    if (fd_ < 0) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    // The kernel counts what is behind a zero byte at the beginning, but takes a path up to one.
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    ::sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&to), size);
}

bool all_alive(const shard::SharedPage& page, SteadyTime now,
               std::chrono::microseconds interval) noexcept {
    const std::chrono::nanoseconds time = now.time_since_epoch();
    for (shard::ShardIndex i = 0; i < page.shard_count(); ++i) {
        const shard::ShardCell& cell = page.shard(i);
        if (cell.phase.load() != shard::ShardPhase::serving) continue;
        const std::chrono::nanoseconds age =
            time -
            std::chrono::nanoseconds(std::max(cell.heartbeat_ns.load(), cell.started_ns.load()));
        if (age > interval) return false;
    }
    return true;
}

}  // namespace ringmaster::app
