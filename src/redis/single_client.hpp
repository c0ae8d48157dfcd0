#pragma once

#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/server.hpp"
#include "ringmaster/redis/subscription.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace ringmaster::redis {

/// The client of one server.
class SingleClient final : public Client {
  public:
    SingleClient(runtime::Reactor& reactor, ClientOptions options, Log& log);
    /// The same with another way to connect, for tests.
    SingleClient(runtime::Scheduler& scheduler, Connect connect, ClientOptions options, Log& log);
    ~SingleClient() override;

    void call(std::span<Call> calls, Deadline deadline) override;
    void call_durably(std::span<Call> calls, unsigned replicas, Deadline deadline) override;
    Result<void> call_primaries(std::string_view command, Deadline deadline) override;
    std::vector<ServerAnswer> ask_primaries(std::string_view command, Deadline deadline) override;
    void subscribe(std::string channel, std::function<void()> connected,
                   std::function<void(std::string_view)> heard) override;
    Result<void> ready() const override { return server_.ready(); }
    ClientStats stats() const noexcept override;
    void stop() override;

  private:
    using Exchange = std::function<void(std::span<Request* const>, Deadline)>;
    void run(std::span<Call> calls, Deadline deadline, const Exchange& exchange);

    runtime::Scheduler& scheduler_;
    std::unique_ptr<Connector> connector_;  ///< null where a test connects
    const Connect connect_;
    const ClientOptions options_;
    Log& log_;
    Server server_;
    std::vector<std::unique_ptr<Subscription>> subscriptions_;
    std::minstd_rand random_;  ///< for pauses
    runtime::Gate calls_;
    runtime::Event stopping_;
    ClientStats counters_;  ///< only what counts up
};

}  // namespace ringmaster::redis
