#include "ringmaster/runtime/helper_thread.hpp"

#include "start_thread.hpp"

namespace ringmaster::runtime {

HelperThread::HelperThread(Reactor& reactor, const char* name)
    : reactor_(reactor), thread_(start_thread(name, [this] { loop(); })) {}

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
