#include "ringmaster/app/process_figures.hpp"

#include <fstream>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace ringmaster::app {
namespace {

std::chrono::microseconds duration_of(const timeval& time) noexcept {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

std::size_t usable_cores() noexcept {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
    return static_cast<std::size_t>(CPU_COUNT(&cores));
}

ProcessFigures read_process_figures() {
    ProcessFigures figures;
    std::uint64_t size_pages = 0;
    std::uint64_t resident_pages = 0;
    std::ifstream statm("/proc/self/statm");  // proc(5)
    if (statm >> size_pages >> resident_pages) {
        figures.resident_bytes = resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    }
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        figures.cpu = duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
    }
    return figures;
}

}  // namespace ringmaster::app
