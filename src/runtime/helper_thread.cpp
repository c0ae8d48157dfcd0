#include "ringmaster/runtime/helper_thread.hpp"

#include <csignal>
#include <pthread.h>
#include <string>
#include <system_error>

namespace ringmaster::runtime {

HelperThread::HelperThread(Reactor& reactor, const char* name) : reactor_(reactor) {
    // Signals are for the reactor's thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(), std::string("starting the thread '") + name + "'");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), name);
}

HelperThread::~HelperThread() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void HelperThread::run_and_wait(const std::function<void()>& job, std::exception_ptr& error) {
    // The job refers to the fiber's stack, so the fiber must not leave before it is done: a
    // scheduler that is destroyed meanwhile has to wait for the thread first, see the destructor.
    const CancellationShield shield(reactor_.scheduler());
    reactor_.scheduler().suspend([&](Waker waker) {
        const std::lock_guard lock(mutex_);
        jobs_.push_back([this, &job, &error, waker] {
            try {
                job();
            } catch (...) {
                error = std::current_exception();
            }
            reactor_.post([waker] { waker.wake(); });
        });
        wake_.notify_one();
    });
}

void HelperThread::loop() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        const auto job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace ringmaster::runtime
