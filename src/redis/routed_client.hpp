#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/request.hpp"
#include "ringmaster/redis/server.hpp"
#include "ringmaster/redis/subscription.hpp"
#include "ringmaster/runtime/rare_warning.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inquiry.hpp"
#include "server_set.hpp"
#include "topology.hpp"

namespace ringmaster::redis {

/// The client of a cluster, or of a primary with sentinels: calls go to where a topology says, and
/// it looks again when one meets a server that is gone or not responsible any more. What many calls
/// want to know at one time is asked once.
class RoutedClient final : public Client {
  public:
    RoutedClient(runtime::Reactor& reactor, ClientOptions options, Log& log);
    /// The same with another way to connect, for tests.
    RoutedClient(runtime::Scheduler& scheduler, Connect connect, ClientOptions options, Log& log);
    ~RoutedClient() override;

    void call(std::span<Call> calls, Deadline deadline) override;
    void call_durably(std::span<Call> calls, unsigned replicas, Deadline deadline) override;
    Result<void> call_primaries(std::string_view command, Deadline deadline) override;
    std::vector<ServerAnswer> ask_primaries(std::string_view command, Deadline deadline) override;
    void subscribe(std::string channel, std::function<void()> connected,
                   std::function<void(std::string_view)> heard) override;
    Result<void> ready() const override;
    ClientStats stats() const noexcept override;
    void stop() override;

  private:
    // routed_call.cpp
    struct Attempt;
    class Round;
    using Exchange = std::function<void(Round&)>;
    void run(std::span<Call> calls, Deadline deadline, const Exchange& exchange);
    void exchange(Round& round);
    void exchange_durably(Round& round, unsigned replicas);

    // routed_client.cpp
    struct Hearing;
    RoutedClient(runtime::Scheduler& scheduler, std::unique_ptr<Connector> connector,
                 Connect connect, ClientOptions options, Log& log);
    std::unique_ptr<Topology> make_topology();
    std::unique_ptr<Subscription> listen(Hearing& hearing);
    void start();
    void look_after_topology();
    bool refresh();
    void topology_changed();
    void move_hearings();
    void want_refresh() noexcept;
    bool is_troubled() const;
    Error not_known() const;

    runtime::Scheduler& scheduler_;
    std::unique_ptr<Connector> connector_;  ///< null where a test connects
    const Connect connect_;
    const ClientOptions options_;
    Log& log_;
    runtime::RareWarning warning_;
    std::minstd_rand random_;  ///< for pauses

    ServerSet servers_;
    Inquiry inquiry_;    ///< of servers
    Inquiry sentinels_;  ///< of sentinels
    std::unique_ptr<Topology> topology_;
    std::optional<Error> failure_;  ///< why the topology could not be found out last
    std::vector<std::unique_ptr<Hearing>> hearings_;

    runtime::Gate inside_;  ///< calls, and the fiber that looks after the topology
    runtime::Task looking_after_;
    runtime::WaitQueue news_;    ///< of the topology, or of stop()
    runtime::WaitQueue wishes_;  ///< for a refresh
    bool wants_refresh_ = false;
    bool stopping_ = false;
    ClientStats counters_;  ///< only what counts up
};

}  // namespace ringmaster::redis
