#pragma once

#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// Work side by side in fibers of its own, begun and ended within one call: nothing that it started
/// is left when it returns or throws, so jobs may use what lies on the caller's stack.
///
/// All jobs end, even where some fail. Then the failure of the lowest index is rethrown, with its
/// own type, and with the others in its message (where the type is a std::runtime_error or
/// std::logic_error that keeps a message; otherwise they go to the log). Jobs have the caller's
/// deadline. Where the calling task is cancelled, so are the jobs, for the same reason.
namespace ringmaster::runtime {

/// Thrown where a FanOut has been cancelled.
class FanOutCancelled : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Thrown where not even one fiber was to be had for the jobs.
class NoFiber : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// One such call that can be cancelled, by one of its jobs or by another fiber.
class FanOut {
  public:
    /// `name` must be a literal: it stands in reports.
    explicit FanOut(Scheduler& scheduler, const char* name = "parallel job") noexcept
        : scheduler_(scheduler), name_(name), ended_(scheduler) {}
    FanOut(const FanOut&) = delete;
    FanOut& operator=(const FanOut&) = delete;

    /// Suspends. Calls job(0) to job(count - 1), at most `bound` of them at one time (fewer, where
    /// fibers are short), and begins them in this order. `bound` is 0 only where `count` is. Not to
    /// be called again before it has returned. Throws as said above; FanOutCancelled after
    /// cancel().
    void run(std::size_t count, std::size_t bound, const std::function<void(std::size_t)>& job);

    /// Jobs that have not begun never do, and those at work get Cancelled from their next wait. For
    /// this run and all later ones. Of several reasons the first counts.
    void cancel(std::string_view reason);

  private:
    struct Failure {
        std::size_t index;
        std::exception_ptr error;
    };
    void work();
    void run_job(std::size_t index);
    void join();
    [[noreturn]] void rethrow();

    Scheduler& scheduler_;
    const char* const name_;
    const std::function<void(std::size_t)>* job_ = nullptr;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
    std::size_t running_ = 0;
    std::vector<Task> workers_;
    std::vector<Failure> failures_;
    std::optional<std::string> cancel_reason_;
    WaitQueue ended_;
};

/// Suspends. Calls body(0) to body(count - 1), at most `bound` of them at one time.
void parallel_for(Scheduler& scheduler, std::size_t count, std::size_t bound,
                  const std::function<void(std::size_t)>& body);

/// Suspends. As parallel_for(); returns what each call returned, in order.
template <class Body>
auto parallel_map(Scheduler& scheduler, std::size_t count, std::size_t bound, Body&& body) {
    using Value = std::invoke_result_t<Body&, std::size_t>;
    std::vector<std::optional<Value>> slots(count);
    parallel_for(scheduler, count, bound, [&](std::size_t i) { slots[i].emplace(body(i)); });
    std::vector<Value> values;
    values.reserve(count);
    for (std::optional<Value>& slot : slots) values.push_back(*std::move(slot));
    return values;
}

/// Suspends. Calls all the functions side by side, and returns what they returned, in order, as a
/// tuple: std::monostate for one that returns nothing.
template <class... Functions>
auto parallel(Scheduler& scheduler, Functions&&... functions) {
    const auto call = [](auto& function) {
        if constexpr (std::is_void_v<std::invoke_result_t<decltype(function)>>) {
            function();
            return std::monostate();
        } else {
            return function();
        }
    };
    std::tuple<std::optional<std::invoke_result_t<decltype(call), Functions&>>...> slots;
    const auto jobs = std::apply(
        [&](auto&... slot) {
            return std::array<std::function<void()>, sizeof...(Functions)>{
                [&] { slot.emplace(call(functions)); }...};
        },
        slots);
    parallel_for(scheduler, jobs.size(), jobs.size(), [&](std::size_t i) { jobs[i](); });
    return std::apply([](auto&... slot) { return std::tuple(*std::move(slot)...); }, slots);
}

}  // namespace ringmaster::runtime
