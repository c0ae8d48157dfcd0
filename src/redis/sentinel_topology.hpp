#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/server.hpp"
#include "ringmaster/redis/subscription.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inquiry.hpp"
#include "topology.hpp"

namespace ringmaster::redis {

/// One primary, which sentinels watch, and put another in its place when it is gone. They are asked
/// who it is, and the server itself whether it is so (redis.io/docs/reference/sentinel-clients);
/// and they are listened to, so that a switch is known at once.
class SentinelTopology final : public Topology {
  public:
    struct Options {
        std::vector<ServerAddress> sentinels;  ///< at least one
        std::string master_name;
        ServerOptions sentinel;  ///< how one is listened to
    };
    /// `switched` is called when a sentinel has told of another primary, `missed` when it may have;
    /// neither may suspend.
    SentinelTopology(runtime::Scheduler& scheduler, Connect connect, Options options,
                     Inquiry& sentinels, Inquiry& servers, std::function<void()> switched,
                     std::function<void()> missed, Log& log);

    const ServerAddress* find(std::string_view) const override {
        return primary_.empty() ? nullptr : &primary_.front();
    }
    const std::vector<ServerAddress>& primaries() const override { return primary_; }
    void move(const Redirect&) override {}
    Result<bool> refresh(Deadline deadline) override;
    Result<ServerAddress> next_to_hear() override;
    bool is_heard_at(const ServerAddress& server) const override {
        return primary_.empty() || primary_.front() == server;
    }
    void stop() override;

  private:
    Result<ServerAddress> ask(const ServerAddress& sentinel, Deadline deadline);
    void listen();
    void heard(std::string_view message);

    runtime::Scheduler& scheduler_;
    const Connect connect_;
    const Options options_;
    Inquiry& sentinels_;
    Inquiry& servers_;
    const std::function<void()> switched_;
    const std::function<void()> missed_;
    Log& log_;
    std::vector<ServerAddress> primary_;  ///< one, or none is known
    unsigned switches_ = 0;               ///< that were heard of
    std::unique_ptr<Subscription> listening_;
    std::size_t listening_turn_ = 0;
};

}  // namespace ringmaster::redis
