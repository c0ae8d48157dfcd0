#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <pthread.h>
#include <string>
#include <vector>

namespace ringmaster::runtime {

/// Shows where a thread is while it runs, to another thread: sends it kSignal, whose handler walks
/// the stack into memory that is there already, and nothing else. It needs a few KiB of the stack
/// that it interrupts, or none of it where the thread has an alternate one (sigaltstack).
class StackProbe {
  public:
    /// As Go's runtime has it: nobody else uses it, a stray one is ignored where there is no
    /// handler, and debuggers let it pass. The handler is installed for the whole process, for
    /// ever.
    static constexpr int kSignal = SIGURG;

    /// Of the calling thread, which must not block kSignal.
    StackProbe();
    /// On the same thread, and not during look().
    ~StackProbe();
    StackProbe(const StackProbe&) = delete;
    StackProbe& operator=(const StackProbe&) = delete;

    /// From one other thread at a time. The return addresses, innermost first; none where the
    /// thread does not take the signal within 100 ms, e.g. because a disk keeps it in the kernel.
    /// A system call that it was in goes on (but for a few, see signal(7)).
    std::vector<void*> look();

  private:
    enum class State { none, asked, taking, taken };
    static void on_signal(int, siginfo_t* info, void*);

    const pthread_t thread_;
    std::atomic<State> state_{State::none};
    std::array<void*, 48> frames_;
    int count_ = 0;
};

/// An address as "MODULE+0xOFFSET FUNCTION": the offset is for addr2line -e MODULE; the function is
/// told where MODULE exports its name.
std::string describe_address(void* address);

}  // namespace ringmaster::runtime
