#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis_store/catalog_follower.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/redis_store/open_store.hpp"
#include "ringmaster/redis_store/redis_history.hpp"
#include "ringmaster/redis_store/redis_pools.hpp"
#include "ringmaster/redis_store/redis_store.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "redis/servers.hpp"
#include "store_contract/run_in_fiber.hpp"
#include "store_contract/world.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kDaemons = 2;

/// Waits take as long as they take; civil time is what the test says, here and in Redis.
class CivilClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override { return std::chrono::steady_clock::now(); }
    WallTime wall_now() const noexcept override { return now; }
    WallTime now{std::chrono::milliseconds(1'790'000'000'000)};
};

/// What a daemon has of the store.
class Daemon {
  public:
    Daemon(runtime::Reactor& reactor, const std::string& url, Log& log)
        : client_(redis::make_client(reactor, options_for(url), log)),
          functions_(reactor.scheduler(), *client_, {.timeout = 60s}),
          follower_(reactor, functions_, catalog_, log, {.catalog_period = 1h, .lost = {}}),
          store_({.client = *client_,
                  .catalog = catalog_,
                  .scheduler = reactor.scheduler(),
                  .log = log,
                  .version = [this](ringpool::PoolIndex i) { return follower_.version(i); },
                  .look_again = [this](ringpool::PoolIndex i) { follower_.look_again(i); }},
                 {}, {}),
          pools_({.reactor = reactor,
                  .functions = functions_,
                  .follower = follower_,
                  .catalog = catalog_,
                  .counters = [this](ringpool::PoolIndex i) { return store_.counters(i); }},
                 {.max_pools = 100, .max_numbers = 10'000}),
          hasher_({}),
          history_({.reactor = reactor,
                    .functions = functions_,
                    .hasher = hasher_,
                    .history = std::chrono::days(90),
                    .released = [this](std::string_view id) { store_.count_release(id); }}) {
        const auto secret = redis_store::open_store(functions_, functions_.deadline());
        if (!secret) throw std::runtime_error(secret.error().message);
        store_.set_secret(*secret);
        hasher_ = ringpool::SessionHasher(*secret);
        if (auto started = follower_.start(functions_.deadline()); !started) {
            throw std::runtime_error(started.error().message);
        }
    }
    void stop() {
        pools_.close();
        history_.close();
        follower_.stop();
        client_->stop();
    }
    Process process() { return {&store_, &pools_, &history_, &catalog_}; }

    void catch_up() {
        const auto all = functions_.call({.function = "catalog", .pool = {}, .arguments = {""}});
        if (!all) throw std::runtime_error(all.error().message);
        for (std::size_t i = 1; i < all->elements.size(); i += 2) {
            const auto done = follower_.catch_up(all->elements[i].text, functions_.deadline());
            if (!done) throw std::runtime_error(done.error().message);
        }
    }

  private:
    static redis::ClientOptions options_for(const std::string& url) {
        redis::ClientOptions options;
        options.url = redis::parse_redis_url(url).value();
        options.connect_timeout = 10s;  // the machine may be busy, and its disk slow
        options.silence_timeout = 60s;
        return options;
    }

    ringpool::Catalog catalog_;
    std::unique_ptr<redis::Client> client_;
    redis_store::FunctionCaller functions_;
    redis_store::CatalogFollower follower_;
    redis_store::RedisStore store_;
    redis_store::RedisPools pools_;
    ringpool::SessionHasher hasher_;
    redis_store::RedisHistory history_;
};

/// Two daemons, and a Redis that writes all it acknowledges.
class RedisWorld final : public StoreWorld {
  public:
    RedisWorld() { open(); }
    ~RedisWorld() override { end(); }

    Process process(std::size_t i) override { return daemons_.at(i)->process(); }
    runtime::Reactor& reactor() override { return *reactor_; }
    WallTime now() override { return clock_.now; }
    void leap(std::chrono::milliseconds by) override {
        clock_.now += by;
        server_.set_time(clock_.now.time_since_epoch().count());
    }
    void restart() override {
        end();
        server_.shutdown();
        server_.start();
        open();
    }
    void crash() override {
        server_.kill();
        end();
        server_.start();
        open();
    }
    void catch_up() override {
        run_in_fiber(*reactor_, [&] {
            for (const auto& daemon : daemons_) daemon->catch_up();
        });
    }
    unsigned long walk_steps() const override { return 1500; }

  private:
    void open() {
        reactor_ = std::make_unique<runtime::Reactor>(clock_, errors_, runtime::SchedulerLimits{});
        leap(0ms);
        run_in_fiber(*reactor_, [&] {
            for (std::size_t i = 0; i < kDaemons; ++i) {
                daemons_.push_back(std::make_unique<Daemon>(*reactor_, server_.url(), log_));
            }
        });
    }
    void end() {
        run_in_fiber(*reactor_, [&] {
            for (const auto& daemon : daemons_) daemon->stop();
        });
        daemons_.clear();
        reactor_.reset();
    }

    CivilClock clock_;
    NullLog log_;
    ErrorReporter errors_{log_};
    redis::RedisServer server_{
        {.config = {"appendfsync always"}, .appendonly = true, .settable_clock = true}};
    std::unique_ptr<runtime::Reactor> reactor_;
    std::vector<std::unique_ptr<Daemon>> daemons_;
};

}  // namespace

std::vector<WorldKind> worlds() {
    return {{"redis", [] { return std::make_unique<RedisWorld>(); }, kDaemons}};
}

}  // namespace ringmaster::store_contract
