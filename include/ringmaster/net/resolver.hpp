#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ringmaster::net {

struct ResolverOptions {
    /// How long an answer is believed. getaddrinfo(3) does not tell for how long it is good.
    std::chrono::milliseconds cache_time{30'000};
    std::size_t max_names = 1000;  ///< in the cache; then the one that is oldest gives way
};

/// Looks names up with the system's resolver (getaddrinfo(3)), which blocks: so on a helper thread.
/// Belongs to one reactor.
class Resolver {
  public:
    /// Blocks, on the helper thread. For tests to replace.
    using LookUp =
        std::function<Result<std::vector<Endpoint>>(const std::string& host, std::uint16_t port)>;

    Resolver(runtime::Scheduler& scheduler, runtime::HelperThread& helper,
             ResolverOptions options = {}, LookUp look_up = system_look_up);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    /// Suspends while the name is looked up; those who ask for the same name meanwhile wait for the
    /// same answer. In the order in which they are to be tried (RFC 6724), at least one.
    /// ErrorCode::not_found where the name has no address, ErrorCode::unavailable where that can't
    /// be found out at the moment (neither is cached), ErrorCode::timeout at `deadline`: the
    /// look-up itself goes on then.
    Result<std::vector<Endpoint>> resolve(const std::string& host, std::uint16_t port,
                                          Deadline deadline);

    /// Suspends until no name is being looked up: before destruction. Nobody may ask meanwhile.
    void wait_until_idle();

    static Result<std::vector<Endpoint>> system_look_up(const std::string& host,
                                                        std::uint16_t port);

  private:
    struct Entry;
    void remember(const std::string& name, std::shared_ptr<Entry> entry);

    runtime::Scheduler& scheduler_;
    runtime::HelperThread& helper_;
    const ResolverOptions options_;
    const LookUp look_up_;
    std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;  ///< by "host:port"
    std::size_t looking_up_ = 0;
    runtime::WaitQueue idle_;
};

/// Suspends. Connects to the first address of the name that answers. Errors as resolve() and
/// connect() have them, those of the last address tried.
Result<std::unique_ptr<Stream>> connect(runtime::Reactor& reactor, Resolver& resolver,
                                        const std::string& host, std::uint16_t port,
                                        Deadline deadline);

}  // namespace ringmaster::net
