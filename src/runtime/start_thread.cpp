#include "start_thread.hpp"

#include <csignal>
#include <pthread.h>
#include <string>
#include <system_error>
#include <utility>

namespace ringmaster::runtime {

std::thread start_thread(const char* name, std::function<void()> run) {
    std::thread thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // which the thread inherits
    try {
        thread = std::thread(std::move(run));
    } catch (const std::system_error& error) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw std::system_error(error.code(), std::string("starting the thread '") + name + "'");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace ringmaster::runtime
