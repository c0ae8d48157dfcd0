#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/advice_api.hpp"
#include "ringmaster/api/compat_api.hpp"
#include "ringmaster/api/events_api.hpp"
#include "ringmaster/api/health_api.hpp"
#include "ringmaster/api/history_api.hpp"
#include "ringmaster/api/number_streams.hpp"
#include "ringmaster/api/numbers_api.hpp"
#include "ringmaster/api/pools_api.hpp"
#include "ringmaster/api/report_api.hpp"
#include "ringmaster/api/status_api.hpp"
#include "ringmaster/api/status_feed.hpp"
#include "ringmaster/app/backend.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/demand_recorder.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/pool_reconciler.hpp"
#include "ringmaster/app/profile_recorder.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/app/shard_profiler.hpp"
#include "ringmaster/app/status_snapshot.hpp"
#include "ringmaster/app/supervisor_link.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/middleware/request_meter.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/net/listener.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/stack_overflow.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/shard/door_keeper.hpp"
#include "ringmaster/shard/peer_service.hpp"
#include "ringmaster/store/disk.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/signal_set.hpp>

namespace ringmaster::app {

/// One shard: one reactor with the store, the ways to the other shards, the endpoints and the
/// server on it. The one place where they meet.
class Service {
  public:
    enum class Ending {
        orderly,    ///< all requests had their answers, or their time was up; the store is closed
        cut_short,  ///< requests are still at work: the service must not be destroyed
    };

    /// Recovers the store. The descriptors that the process may open are raised to the hard limit,
    /// and fewer connections accepted where that does not suffice. Throws std::runtime_error where
    /// it can't start. All that is passed must outlive the service. It closes the channel, and,
    /// when it drains, the sockets of clients.
    Service(const Config& config, const ShardSetup& setup, Clock& clock, Log& log,
            std::function<void()> reopen_log);
    ~Service();

    /// Answers the other shards, says so to the supervisor, and does what that says: applies the
    /// configuration's pools, accepts clients, drains, and so on. It drains, too, where the
    /// supervisor is gone, and at SIGTERM: lets requests in flight end for up to drain_timeout, and
    /// closes the store. `numbers` are those of the configuration's files, for the first time that
    /// its pools are applied; else the files are read again. To be called once, on the main thread.
    Ending serve(std::optional<NumberFiles> numbers);

  private:
    http::RequestHandler make_handler();
    Reports collect();
    std::string report();
    std::string profile() const;
    void await_signal();
    void follow_supervisor();
    void obey(const std::string& word);
    void fail(const std::string& why);
    void accept_clients();
    void hold_door(shard::ShardIndex i, bool open);
    void drain(const std::string& why);
    void stop_when_told();
    void close_doors();
    void wait_for_other_shards(Deadline deadline);
    void keep_pools();
    void measure_demand();
    void record_profile();
    void configure();
    void apply(const Config& config, NumberFiles numbers);
    void tell_configured(const std::string& problem);

    const Config& config_;
    const ShardSetup& setup_;
    Clock& clock_;
    Log& log_;
    const WallTime started_;
    const std::function<void()> reopen_log_;
    ErrorReporter errors_;
    runtime::Reactor reactor_;
    runtime::StackOverflowReporter stack_overflow_reporter_;
    SupervisorLink supervisor_;
    ringpool::Catalog catalog_;
    std::unique_ptr<Backend> backend_;
    runtime::HelperThread import_helper_;  ///< reads numbers, and what is in files
    PoolReconciler reconciler_;
    DemandRecorder demand_;
    shard::PeerService peer_service_;
    net::Listener peer_listener_;
    api::AdminAccess admin_access_;
    api::NumbersApi numbers_api_;
    api::NumberStreams number_streams_;
    api::CompatApi compat_api_;
    api::PoolsApi pools_api_;
    api::AdviceApi advice_api_;
    api::HistoryApi history_api_;
    api::EventsApi events_api_;
    api::HealthApi health_api_;
    api::ReportApi metrics_api_;
    api::ReportApi profile_api_;
    StatusSnapshots status_snapshots_;
    api::StatusFeed status_feed_;
    api::StatusApi status_api_;
    http::Router router_;
    http::RequestMeter request_meter_;
    const http::ServerLimits server_limits_;
    http::Server server_;
    ShardProfiler profiler_;
    store::Disk disk_;
    ProfileRecorder profile_recorder_;
    shard::DoorKeeper doors_;
    boost::asio::signal_set signals_;
    runtime::Event told_to_stop_;
    runtime::Event told_to_configure_;  ///< or to stop
    runtime::Event pools_kept_;         ///< nobody works on them any more
    runtime::Event demand_measured_;    ///< likewise
    runtime::Event profile_recorded_;   ///< likewise
    std::optional<NumberFiles> first_numbers_;
    std::size_t own_fibers_ = 2;  ///< at the end: who stops it all, and who listens
    Ending ending_ = Ending::orderly;
};

}  // namespace ringmaster::app
