#pragma once

#include "ringmaster/runtime/reactor.hpp"

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

namespace ringmaster::store_contract {

/// Runs `job` in a fiber, and the reactor until the job has ended; throws what it has thrown.
inline void run_in_fiber(runtime::Reactor& reactor, const std::function<void()>& job) {
    std::exception_ptr failure;
    reactor.post([&] {
        reactor.scheduler().run("test", [&] {
            try {
                job();
            } catch (const std::exception&) {
                failure = std::current_exception();
            }
            reactor.stop();
        });
    });
    reactor.context().restart();
    reactor.run();
    if (failure) std::rethrow_exception(failure);
}

/// The same for several at once, which must not throw.
inline void run_together(runtime::Reactor& reactor,
                         const std::vector<std::function<void()>>& jobs) {
    run_in_fiber(reactor, [&] {
        std::size_t left = jobs.size();
        for (const auto& job : jobs) {
            reactor.scheduler().spawn("test", [&] {
                job();
                --left;
            });
        }
        while (left > 0) reactor.scheduler().yield();
    });
}

}  // namespace ringmaster::store_contract
