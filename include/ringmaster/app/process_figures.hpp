#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ringmaster::app {

/// What the kernel says of this process.
struct ProcessFigures {
    std::uint64_t resident_bytes = 0;  ///< of memory; 0 where /proc does not tell
    std::chrono::microseconds cpu{0};  ///< user and system, all threads, since its start
};

/// How many cores the process may run on; 1 where the kernel does not tell.
std::size_t usable_cores() noexcept;

/// Takes some microseconds, and does not wait for a disk.
ProcessFigures read_process_figures();

}  // namespace ringmaster::app
