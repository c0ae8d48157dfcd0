#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/reply.hpp"

#include <chrono>
#include <string>

namespace ringmaster::redis {

/// How much of the processor's time a server has taken since it was started.
struct CpuUsage {
    std::string run_id;  ///< another one after each start
    /// Of the thread that carries out all commands, user and system; of the whole process where the
    /// server does not tell threads apart.
    std::chrono::nanoseconds main_thread{};
};

/// Reads the answer to INFO server cpu. ErrorCode::invalid says what is missing in it.
Result<CpuUsage> parse_cpu_usage(const Reply& reply);

}  // namespace ringmaster::redis
