#include "ringmaster/runtime/stack_overflow.hpp"

#include <array>
#include <cassert>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <unistd.h>

namespace ringmaster::runtime {
namespace {

// The one global of the runtime: a signal handler can reach nothing else.
const Scheduler* watched = nullptr;
// An overflowed stack has no room for the handler.
alignas(16) std::array<std::byte, 32 * 1024> handler_stack;

void put(std::string_view text) noexcept {
    // There is nothing left to do where stderr can't be written.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void put(std::size_t number) noexcept {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    put({digits, static_cast<std::size_t>(end - digits)});
}

void on_fault(int signal, siginfo_t* info, void*) {
    if (const Fiber* fiber = watched->overflowed(info->si_addr)) {
        put("ringmaster: fatal: fiber ");
        put(fiber->index());
        put(" ('");
        put(fiber->name());
        put("') overflowed its stack of ");
        put(fiber->stack_bytes());
        put(" bytes; raise runtime.stack_bytes\n");
    }
    // Returning repeats the faulting instruction, now with the default action: a core of this
    // place.
    std::signal(signal, SIG_DFL);
}

}  // namespace

StackOverflowReporter::StackOverflowReporter(const Scheduler& scheduler) {
    assert(watched == nullptr);
    watched = &scheduler;
    stack_t stack{};
    stack.ss_sp = handler_stack.data();
    stack.ss_size = handler_stack.size();
    sigaltstack(&stack, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
}

StackOverflowReporter::~StackOverflowReporter() {
    std::signal(SIGSEGV, SIG_DFL);
    std::signal(SIGBUS, SIG_DFL);
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    watched = nullptr;
}

}  // namespace ringmaster::runtime
