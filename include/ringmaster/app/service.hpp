#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/compat_api.hpp"
#include "ringmaster/api/health_api.hpp"
#include "ringmaster/api/history_api.hpp"
#include "ringmaster/api/numbers_api.hpp"
#include "ringmaster/api/pools_api.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/app/pool_reconciler.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/stack_overflow.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/embedded_store.hpp"

#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/signal_set.hpp>

namespace ringmaster::app {

/// The daemon: one reactor with the store, the endpoints and the server on it. The one place where
/// they meet.
class Service {
  public:
    enum class Ending {
        orderly,    ///< all requests had their answers, or their time was up; the store is closed
        cut_short,  ///< requests are still at work: the service must not be destroyed
    };

    /// Recovers the store. The descriptors that the process may open are raised to the hard limit,
    /// and fewer connections accepted where that does not suffice. Throws std::runtime_error where
    /// it can't start. `clock` and `log` must outlive the service.
    Service(const Config& config, Clock& clock, Log& log);
    ~Service();

    /// Applies the pools of the configuration, listens, and serves until SIGTERM, SIGINT or
    /// SIGQUIT; then closes the listening socket, lets requests in flight end for up to
    /// drain_timeout, and closes the store. A second of those signals cuts that short. At SIGHUP
    /// the file is read again: where all is well with it, its pools are applied; else nothing is.
    /// Throws std::runtime_error where the pools can't be written or the address can't be listened
    /// on. `numbers` are those of the configuration's files. To be called once, on the main thread.
    Ending serve(NumberFiles numbers);

  private:
    http::RequestHandler make_handler();
    void await_signal();
    void on_signal(int number);
    void stop_when_told();
    void keep_pools(NumberFiles numbers);
    Result<void> start(NumberFiles numbers);
    void reload();
    void tell_what_needs_a_restart(const Config& changed);
    std::size_t count_numbers() const;

    const Config& config_;
    Clock& clock_;
    Log& log_;
    ErrorReporter errors_;
    runtime::Reactor reactor_;
    runtime::StackOverflowReporter stack_overflow_reporter_;
    ringpool::Catalog catalog_;
    std::unique_ptr<store::EmbeddedStore> store_;
    runtime::HelperThread import_helper_;  ///< reads numbers, and what is in files
    PoolReconciler reconciler_;
    api::AdminAccess admin_access_;
    api::NumbersApi numbers_api_;
    api::CompatApi compat_api_;
    api::PoolsApi pools_api_;
    api::HistoryApi history_api_;
    api::HealthApi health_api_;
    http::Router router_;
    http::Server server_;
    boost::asio::signal_set signals_;
    runtime::Event told_to_stop_;
    runtime::Event told_to_reload_;  ///< or to stop
    runtime::Event pools_kept_;      ///< nobody works on them any more
    std::string start_failure_;      ///< empty: there is none
    Ending ending_ = Ending::orderly;
};

}  // namespace ringmaster::app
