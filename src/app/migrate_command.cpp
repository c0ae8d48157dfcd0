#include "ringmaster/app/migrate_command.hpp"

#include "ringmaster/app/read_file.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/migrate/directory_source.hpp"
#include "ringmaster/migrate/directory_target.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/migrate/redis_source.hpp"
#include "ringmaster/migrate/redis_target.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/redis_store/open_store.hpp"
#include "ringmaster/redis_store/redis_history.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/store/disk.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace ringmaster::app {
namespace {

using migrate::Digest;
using migrate::Source;
using migrate::Target;
using std::chrono::seconds;

constexpr std::size_t kMaxUrlFileBytes = 16 * 1024;
constexpr seconds kRedisTimeout{60};
constexpr std::size_t kMaxQueuedBytes = 512u << 20;  // one number's history is one call
constexpr std::chrono::days kAllHistory{36'500};

/// What the store's files have to say about themselves goes where all else does.
class ConsoleLog final : public Log {
  public:
    explicit ConsoleLog(Console& console) : console_(console) {}
    void write(LogLevel level, std::string_view message) noexcept override {
        if (level >= LogLevel::warning) console_.err << message << '\n';
    }

  private:
    Console& console_;
};

/// One of the two stores, as the command line names it.
class Place {
  public:
    static Result<Place> parse(const std::string& text) {
        std::string place = text;
        if (place.starts_with('@')) {
            auto content = read_file(place.substr(1), kMaxUrlFileBytes);
            if (!content) return content.error();
            place = content->substr(0, content->find_first_of("\r\n"));
        }
        if (!place.starts_with("redis")) return Place(std::move(place));
        auto url = redis::parse_redis_url(place);
        if (!url) return url.error();
        return Place(*std::move(url));
    }
    const std::optional<redis::RedisUrl>& url() const noexcept { return url_; }
    const std::string& directory() const noexcept { return directory_; }

  private:
    explicit Place(std::string directory) : directory_(std::move(directory)) {}
    explicit Place(redis::RedisUrl url) : url_(std::move(url)) {}
    std::string directory_;
    std::optional<redis::RedisUrl> url_;
};

/// A connection to Redis and what is asked over it. To be stopped before it is destroyed.
class RedisAccess {
  public:
    RedisAccess(runtime::Reactor& reactor, const redis::RedisUrl& url, const std::string& prefix,
                Log& log)
        : client_(redis::make_client(reactor,
                                     {.url = url,
                                      .client_name = "ringmaster-migrate",
                                      .max_queued_bytes = kMaxQueuedBytes},
                                     log)),
          functions_(reactor.scheduler(), *client_,
                     {.prefix = prefix, .timeout = kRedisTimeout, .replicas = 0}),
          history_({.reactor = reactor,
                    .functions = functions_,
                    .hasher = hasher_,
                    .history = kAllHistory,
                    .released = {}}) {}

    redis_store::FunctionCaller& functions() noexcept { return functions_; }

    /// Of what is there. Suspends.
    Result<std::unique_ptr<Source>> source() {
        const auto secret = redis_store::open_store(functions_, functions_.deadline());
        if (!secret) return secret.error();
        return Result<std::unique_ptr<Source>>(
            std::make_unique<migrate::RedisSource>(functions_, history_, *secret));
    }
    void stop() {
        history_.close();
        client_->stop();
    }

  private:
    const std::unique_ptr<redis::Client> client_;
    redis_store::FunctionCaller functions_;
    ringpool::SessionHasher hasher_{{}};  // for erasures, which are not made here
    redis_store::RedisHistory history_;
};

class Migration {
  public:
    Migration(const MigrateOptions& options, Console& console)
        : options_(options), console_(console), log_(console) {}

    ExitCode run() {
        auto from = Place::parse(options_.from);
        if (!from) return fail(console_, from.error());
        auto to = Place::parse(options_.to);
        if (!to) return fail(console_, to.error());
        const auto start = clock_.steady_now();
        Result<Digest> moved = Error{ErrorCode::unavailable, "nothing was done"};
        reactor_.post([&] {
            reactor_.scheduler().run("migrate", [&] {
                moved = move(*from, *to);
                reactor_.stop();
            });
        });
        reactor_.run();
        if (!moved) return fail(console_, moved.error());
        tell(*moved, clock_.steady_now() - start);
        return kDone;
    }

  private:
    Result<Digest> move(const Place& from, const Place& to) {
        std::optional<RedisAccess> from_redis;
        std::optional<RedisAccess> to_redis;
        if (from.url()) from_redis.emplace(reactor_, *from.url(), options_.prefix, log_);
        if (to.url()) to_redis.emplace(reactor_, *to.url(), options_.prefix, log_);
        auto digest = move(from, from_redis, to, to_redis);
        if (from_redis) from_redis->stop();
        if (to_redis) to_redis->stop();
        return digest;
    }

    Result<Digest> move(const Place& from, std::optional<RedisAccess>& from_redis, const Place& to,
                        std::optional<RedisAccess>& to_redis) {
        auto source = from_redis ? from_redis->source() : open_directory(from);
        if (!source) return source.error();
        std::unique_ptr<Target> target;
        if (to_redis) {
            target =
                std::make_unique<migrate::RedisTarget>(reactor_.scheduler(), to_redis->functions());
        } else {
            target =
                std::make_unique<migrate::DirectoryTarget>(disk_, to.directory(), clock_, log_);
        }
        if (auto moved = move_all(**source, *target, teller("moving")); !moved) {
            return moved.error();
        }
        return verify(**source, to, to_redis);
    }

    Result<std::unique_ptr<Source>> open_directory(const Place& place) {
        auto source = migrate::DirectorySource::open(place.directory(), clock_, log_);
        if (!source) return source.error();
        const auto strays = (*source)->promised_strays();
        if (!strays) return strays.error();
        if (*strays > 0) {
            console_.err << *strays
                         << " numbers that are in no pool are still promised to somebody, and that "
                            "is not moved: do not put them into a pool before their time is over\n";
        }
        return Result<std::unique_ptr<Source>>(*std::move(source));
    }

    Result<Digest> verify(Source& source, const Place& to, std::optional<RedisAccess>& to_redis) {
        auto copy = to_redis ? to_redis->source() : open_directory(to);
        if (!copy) return copy.error();
        copy->get()->set_ahead(std::chrono::milliseconds(0));
        const auto expected = digest_of(source, teller("reading again"));
        if (!expected) return expected.error();
        const auto found = digest_of(**copy, teller("verifying"));
        if (!found) return found.error();
        if (*expected == *found) return *found;
        return Error{ErrorCode::damaged, "what was moved is not what was there: " +
                                             text_of(*expected) + " became " + text_of(*found)};
    }

    std::function<void(const migrate::Progress&)> teller(std::string_view doing) {
        return [this, doing](const migrate::Progress& progress) {
            if (!console_.watched) return;
            console_.err << '\r' << doing << ": " << progress.pool << " of " << progress.pools
                         << " pools, " << progress.numbers << " numbers ";
            if (progress.pool == progress.pools) console_.err << '\n';
            console_.err.flush();
        };
    }

    static std::string text_of(const Digest& digest) {
        return std::to_string(digest.pools()) + " pools, " + std::to_string(digest.numbers()) +
               " numbers, " + std::to_string(digest.holds()) + " holds, checksum " +
               digest.checksum();
    }

    void tell(const Digest& digest, std::chrono::nanoseconds time) {
        const double took = std::chrono::duration<double>(time).count();
        if (options_.json) {
            console_.out << "{\"pools\":" << digest.pools() << ",\"numbers\":" << digest.numbers()
                         << ",\"holds\":" << digest.holds() << ",\"checksum\":\""
                         << digest.checksum() << "\",\"seconds\":" << took << "}\n";
        } else {
            console_.out << "moved and verified: " << text_of(digest) << "; " << took << " s\n";
        }
    }

    const MigrateOptions& options_;
    Console& console_;
    SystemClock clock_;
    store::Disk disk_;
    ConsoleLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {}};
};

}  // namespace

ExitCode migrate_store(const MigrateOptions& options, Console& console) {
    return Migration(options, console).run();
}

}  // namespace ringmaster::app
