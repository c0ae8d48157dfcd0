#pragma once

#include <chrono>
#include <cstdint>

namespace ringmaster::app {

/// What the kernel says of this process.
struct ProcessFigures {
    std::uint64_t resident_bytes = 0;  ///< of memory; 0 where /proc does not tell
    std::chrono::microseconds cpu{0};  ///< user and system, all threads, since its start
};

/// Takes some microseconds, and does not wait for a disk.
ProcessFigures read_process_figures();

}  // namespace ringmaster::app
