#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/cpu_usage.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace ringmaster::redis {

/// What a server did in the time in which it was watched. Sums since the watch began.
struct ServerLoad {
    std::string name;                     ///< ServerAddress::text()
    std::chrono::nanoseconds observed{};  ///< without what came before the first answer
    std::chrono::nanoseconds busy{};      ///< its main thread had a processor, meanwhile
};

/// Asks all primaries every few seconds how much of the processor's time they have taken, whoever
/// gave them work: Redis carries out commands in one thread, so that share of the time says how
/// near a server is to its limit. What a server did while it could not answer is in its next
/// answer; only of the time in which it was started again nothing is known.
///
/// Beside callers it is nothing: one short command in a connection that is there anyway, not
/// counted, not repeated, and nobody waits for it. Belongs to one scheduler.
class LoadWatch {
  public:
    /// Between two questions at most, and half of that at least: what many shards ask of one server
    /// is spread.
    static constexpr std::chrono::milliseconds kPeriod{4'000};
    static constexpr std::chrono::milliseconds kTimeout{2'000};  ///< for an answer
    static constexpr std::size_t kMostServers = 256;

    /// `client` must outlive it.
    LoadWatch(runtime::Scheduler& scheduler, Client& client,
              std::chrono::milliseconds period = kPeriod);

    /// Begins to ask, in a fiber of its own: ErrorCode::unavailable where there is none.
    Result<void> start();
    /// Suspends until that fiber has ended, which waits for no answer any more.
    void stop();

    /// Of all servers that were primaries meanwhile; of more than kMostServers, of those that were
    /// heard of last.
    std::vector<ServerLoad> loads() const;

  private:
    struct Watched {
        ServerLoad load;
        SteadyTime asked;  ///< for the latest answer
        CpuUsage usage;    ///< which was this
    };
    void watch();
    void ask_all();
    void take(const std::string& name, SteadyTime asked, CpuUsage usage);

    runtime::Scheduler& scheduler_;
    Client& client_;
    const std::chrono::milliseconds period_;
    std::minstd_rand random_;
    std::vector<Watched> servers_;
    runtime::Gate fibers_;
    runtime::Task task_;
};

}  // namespace ringmaster::redis
