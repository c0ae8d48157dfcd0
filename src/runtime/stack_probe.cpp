#include "stack_probe.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace ringmaster::runtime {
namespace {

constexpr std::chrono::milliseconds kPatience{100};
constexpr std::chrono::milliseconds kPoll{1};
/// The handler, and the kernel's way into it.
constexpr int kOwnFrames = 2;
constexpr std::size_t kMaxNameBytes = 120;

}  // namespace

StackProbe::StackProbe() : thread_(::pthread_self()) {
    // Its first call loads a library, which no signal handler may do.
    ::backtrace(frames_.data(), 1);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    if (::sigaction(kSignal, &action, nullptr) != 0) {
        throw std::system_error(errno, std::generic_category(), "sigaction(SIGURG)");
    }
}

// One that was sent and has not come yet would find nothing here.
StackProbe::~StackProbe() {
    sigset_t own;
    sigset_t before;
    ::sigemptyset(&own);
    ::sigaddset(&own, kSignal);
    ::pthread_sigmask(SIG_BLOCK, &own, &before);
    const timespec at_once{};
    ::sigtimedwait(&own, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void StackProbe::on_signal(int, siginfo_t* info, void*) {
    // Other processes may send signals with pointers too.
    if (info->si_code != SI_QUEUE || info->si_pid != ::getpid()) return;
    const int error = errno;
    auto& probe = *static_cast<StackProbe*>(info->si_value.sival_ptr);
    State asked = State::asked;
    if (probe.state_.compare_exchange_strong(asked, State::taking)) {
        probe.count_ = ::backtrace(probe.frames_.data(), static_cast<int>(probe.frames_.size()));
        probe.state_ = State::taken;
    }
    errno = error;
}

std::vector<void*> StackProbe::look() {
    state_ = State::asked;
    sigval self;
    self.sival_ptr = this;
    if (::pthread_sigqueue(thread_, kSignal, self) != 0) return {};
    for (auto waited = kPoll; state_ != State::taken; waited += kPoll) {
        State asked = State::asked;
        if (waited > kPatience && state_.compare_exchange_strong(asked, State::none)) return {};
        std::this_thread::sleep_for(kPoll);
    }
    std::vector<void*> found;
    for (int i = kOwnFrames; i < count_; ++i) found.push_back(frames_[static_cast<std::size_t>(i)]);
    return found;
}

std::string describe_address(void* address) {
    Dl_info symbol{};
    link_map* module = nullptr;
    char text[32];
    if (::dladdr1(address, &symbol, reinterpret_cast<void**>(&module), RTLD_DL_LINKMAP) == 0) {
        std::snprintf(text, sizeof text, "%p", address);
        return text;
    }
    const std::string_view path = symbol.dli_fname;
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - module->l_addr;
    std::snprintf(text, sizeof text, "+%#zx", static_cast<std::size_t>(offset));
    std::string told = std::string(path.substr(path.rfind('/') + 1)) + text;
    if (symbol.dli_sname == nullptr) return told;
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> demangled(
        abi::__cxa_demangle(symbol.dli_sname, nullptr, nullptr, &status), &std::free);
    const std::string_view name = demangled ? demangled.get() : symbol.dli_sname;
    return told.append(" ").append(name.substr(0, kMaxNameBytes));
}

}  // namespace ringmaster::runtime
