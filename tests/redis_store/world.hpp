#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis_store/catalog_follower.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/redis_store/function_library.hpp"
#include "ringmaster/redis_store/number_record.hpp"
#include "ringmaster/redis_store/redis_pools.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "redis/servers.hpp"

/// Several daemons, each with its own connection to one real Redis server, on one reactor.
namespace ringmaster::redis_store::testing {

using namespace std::chrono_literals;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolNumber;

class CollectingLog final : public Log {
  public:
    void write(LogLevel, std::string_view message) noexcept override {
        lines.emplace_back(message);
    }
    bool has(std::string_view text) const {
        for (const std::string& line : lines) {
            if (line.find(text) != line.npos) return true;
        }
        return false;
    }
    std::vector<std::string> lines;
};

/// Passes calls on, and lets a test do something before one of them, or lose all from one on.
class HookedClient final : public redis::Client {
  public:
    explicit HookedClient(std::unique_ptr<redis::Client> client) : client_(std::move(client)) {}

    /// From here on: before the call with this number (from 0) the hook is run, once.
    void before_call(std::size_t number, std::function<void()> hook) {
        calls_ = 0;
        hook_at_ = number;
        hook_ = std::move(hook);
    }
    /// From here on: this many calls are made, and all that follow fail unsent, as after a crash.
    void crash_before_call(std::size_t number) {
        before_call(number, [this] { dead_ = true; });
    }
    /// Whether that has come about.
    bool hook_ran() const noexcept { return !hook_; }
    void revive() {
        hook_ = nullptr;
        dead_ = false;
    }

    void call(std::span<redis::Call> calls, Deadline deadline) override {
        if (hook_ && calls_++ == hook_at_) std::exchange(hook_, nullptr)();
        if (!dead_) return client_->call(calls, deadline);
        for (redis::Call& each : calls) each.answer = Error{ErrorCode::unavailable, "crashed"};
    }
    void call_durably(std::span<redis::Call> calls, unsigned replicas, Deadline deadline) override {
        client_->call_durably(calls, replicas, deadline);
    }
    Result<void> call_primaries(std::string_view command, Deadline deadline) override {
        return client_->call_primaries(command, deadline);
    }
    std::vector<redis::ServerAnswer> ask_primaries(std::string_view command,
                                                   Deadline deadline) override {
        return client_->ask_primaries(command, deadline);
    }
    void subscribe(std::string channel, std::function<void()> connected,
                   std::function<void(std::string_view)> heard) override {
        if (deaf) return;
        client_->subscribe(std::move(channel), std::move(connected), std::move(heard));
    }
    Result<void> ready() const override { return client_->ready(); }
    redis::ClientStats stats() const noexcept override { return client_->stats(); }
    void stop() override { client_->stop(); }

    bool deaf = false;  ///< hears no messages

  private:
    std::unique_ptr<redis::Client> client_;
    std::size_t calls_ = 0;
    std::size_t hook_at_ = 0;
    std::function<void()> hook_;
    bool dead_ = false;
};

inline redis::ClientOptions client_options(const redis::RedisServer& server) {
    redis::ClientOptions options;
    options.url = redis::parse_redis_url(server.url()).value();
    options.connect_timeout = 10s;  // the machine may be busy
    options.silence_timeout = 60s;
    return options;
}

/// What a daemon has of the store. To be made and stopped in a fiber.
class Daemon {
  public:
    struct Options {
        RedisPools::Limits limits = {};
        std::chrono::milliseconds catalog_period{1h};  ///< so that nothing but messages counts
        bool deaf = false;
    };
    Daemon(runtime::Reactor& reactor, const redis::RedisServer& server, Options options)
        : client(redis::make_client(reactor, client_options(server), log)),
          functions(reactor.scheduler(), client, {}),
          follower(reactor, functions, catalog, log, {options.catalog_period}),
          pools({reactor, functions, follower, catalog,
                 [this](ringpool::PoolIndex pool) { return counters[pool]; }},
                options.limits) {
        client.deaf = options.deaf;
        if (auto started = follower.start(functions.deadline()); !started) {
            throw std::runtime_error(started.error().message);
        }
    }
    void stop() {
        pools.close();
        follower.stop();
        client.stop();
    }

    CollectingLog log;
    HookedClient client;
    ringpool::Catalog catalog;
    FunctionCaller functions;
    CatalogFollower follower;
    std::map<ringpool::PoolIndex, ringpool::PoolCounters> counters;
    RedisPools pools;
};

inline PhoneNumber number(unsigned i) {
    return PhoneNumber::from_digits(18'660'000'000 + i);
}
inline PoolNumber pool_number(unsigned i) {
    return {number(i), ringpool::FormattedNumber("866-" + std::to_string(i))};
}
inline std::vector<PoolNumber> numbers(std::initializer_list<unsigned> list) {
    std::vector<PoolNumber> result;
    for (const unsigned i : list) result.push_back(pool_number(i));
    return result;
}
inline std::vector<PoolNumber> numbers_up_to(unsigned count, unsigned first = 0) {
    std::vector<PoolNumber> result;
    for (unsigned i = 0; i < count; ++i) result.push_back(pool_number(first + i));
    return result;
}
inline std::vector<PhoneNumber> plain(std::initializer_list<unsigned> list) {
    std::vector<PhoneNumber> result;
    for (const unsigned i : list) result.push_back(number(i));
    return result;
}

inline PoolDefinition definition(const std::string& id) {
    PoolDefinition pool;
    pool.id = id;
    pool.key = std::string("secret");
    pool.lifetime = 30min;
    pool.cooldown = 5min;
    pool.overflow = {PhoneNumber::from_digits(18005550100),
                     ringpool::FormattedNumber("800-555-0100")};
    return pool;
}

/// One server, and daemons that come to it.
class World {
  public:
    World() { set_time(start_ms()); }
    ~World() {
        run([&] {
            for (const auto& daemon : daemons_) daemon->stop();
        });
    }

    /// Runs `job` in a fiber, and the reactor until the job has ended; throws what it has thrown.
    void run(const std::function<void()>& job) {
        std::exception_ptr failure;
        reactor_.post([&] {
            reactor_.scheduler().run("test", [&] {
                try {
                    job();
                } catch (const std::exception&) {
                    failure = std::current_exception();
                }
                reactor_.stop();
            });
        });
        reactor_.context().restart();
        reactor_.run();
        if (failure) std::rethrow_exception(failure);
    }
    /// In a fiber. It lives as long as this.
    Daemon& start_daemon(Daemon::Options options = {}) {
        if (daemons_.empty()) {
            if (auto loaded = load_library(); !loaded) {
                throw std::runtime_error(loaded.error().message);
            }
        }
        return *daemons_.emplace_back(std::make_unique<Daemon>(reactor_, server_, options));
    }
    void set_time(std::int64_t ms) {
        now_ms_ = ms;
        server_.set_time(ms);
    }
    void leap(std::chrono::milliseconds step) { set_time(now_ms_ + step.count()); }
    WallTime now() const { return WallTime(std::chrono::milliseconds(now_ms_)); }

    /// What a store does; an empty answer is "no number is eligible". ErrorCode::not_found for
    /// NOPOOL and REMOVED.
    Result<PhoneNumber> allocate(const std::string& pool, std::optional<std::string> session,
                                 const std::string& context = {}) {
        ringpool::Session who;
        if (session) who.id = *session;
        who.context = ringpool::Context(context);
        const std::string word = session_word(who.id);
        std::string holder;
        for (unsigned i = 0; i < 4; ++i) holder.push_back(static_cast<char>(word.size() >> 8 * i));
        const std::string answer =
            call(pool, "allocate",
                 {std::to_string(history_ms_), hash(pool, who), holder + word + context});
        if (answer.starts_with("-")) return Error{ErrorCode::not_found, answer};
        if (answer.size() < 17) throw std::runtime_error(answer);
        if (answer[16] == 'x') return PhoneNumber();
        const auto length = static_cast<std::size_t>(answer.at(25));
        return PhoneNumber::from_digits(std::stoull(answer.substr(26, length)));
    }
    bool release(const std::string& pool, PhoneNumber held, const std::string& session) {
        return call(pool, "release", {std::to_string(held.digits()), hash(pool, {session, {}})}) ==
               "1";
    }
    std::string hash(const std::string& pool, const ringpool::Session& session) {
        const ringpool::SessionHash hash = hasher_.hash(pool, session);
        std::string bytes(16, '\0');
        std::memcpy(bytes.data(), &hash.low, 8);
        std::memcpy(bytes.data() + 8, &hash.high, 8);
        return bytes;
    }
    /// A function of a pool, past all daemons.
    std::string call(const std::string& pool, const std::string& function,
                     const redis::Words& arguments) {
        redis::Words words{"FCALL", "rm1_" + function, "6"};
        const PoolKeys keys("ringmaster", pool);
        for (const std::string_view key : keys.all()) words.emplace_back(key);
        words.insert(words.end(), arguments.begin(), arguments.end());
        return connection_.command(words);
    }

    /// Pauses a fiber for as long as `condition` is false; throws where it stays so.
    void wait_until(const std::function<bool()>& condition) {
        const auto until = reactor_.scheduler().precise_now() + 20s;
        while (!condition()) {
            if (reactor_.scheduler().precise_now() > until) throw std::runtime_error("in vain");
            reactor_.scheduler().sleep_until(reactor_.scheduler().now() + 1ms);
        }
    }

    redis::RedisServer& server() { return server_; }
    runtime::Reactor& reactor() { return reactor_; }
    ringpool::SessionHasher& hasher() { return hasher_; }
    void set_history(std::chrono::milliseconds history) { history_ms_ = history.count(); }

  private:
    static std::int64_t start_ms() { return 1'790'000'000'000; }
    Result<void> load_library() {
        const auto client = redis::make_client(reactor_, client_options(server_), log_);
        auto loaded = load_function_library(*client, Deadline::never());
        client->stop();
        return loaded;
    }

    NullLog log_;
    SystemClock clock_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {.max_fibers = 256}};
    redis::RedisServer server_{{.settable_clock = true}};
    redis::PlainConnection connection_{server_.port()};
    ringpool::SessionHasher hasher_{ringpool::SessionHasher::Key{1, 2, 3}};
    std::int64_t now_ms_ = 0;
    std::int64_t history_ms_ = std::chrono::milliseconds(24h * 90).count();
    std::vector<std::unique_ptr<Daemon>> daemons_;
};

/// The numbers of a pool as an administrator sees them, those that drain marked.
inline std::set<std::string> names_in(Daemon& daemon, const std::string& pool) {
    std::set<std::string> names;
    for (std::size_t from = 0;;) {
        const auto page = daemon.pools.numbers(pool, from, 3).value();
        for (const auto& n : page.numbers) {
            names.insert(n.number.number.e164() + (n.draining ? " drains" : ""));
        }
        if (page.next == 0) return names;
        from = page.next;
    }
}

}  // namespace ringmaster::redis_store::testing
