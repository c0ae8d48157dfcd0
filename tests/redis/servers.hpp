#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

/// Real Redis servers on 127.0.0.1, for tests. Everything here blocks, and what doesn't come about
/// throws std::runtime_error. A server dies with the test that started it.
namespace ringmaster::redis {

using Words = std::vector<std::string>;

/// A connection that sends one command and waits for its answer. An answer as text: the bytes of a
/// string or status, the digits of an integer, "(nil)"; an error begins with "-"; elements of an
/// array end with a line feed each.
class PlainConnection {
  public:
    PlainConnection(std::uint16_t port, const std::string& password = "",
                    const std::string& user = "");
    ~PlainConnection();
    PlainConnection(const PlainConnection&) = delete;
    PlainConnection& operator=(const PlainConnection&) = delete;

    std::string command(const Words& words,
                        std::chrono::milliseconds timeout = std::chrono::seconds(10));

  private:
    std::string read_line();
    std::string read_reply();
    void read_more();

    int fd_ = -1;
    std::string buffer_;  ///< read, and not yet used
    std::chrono::steady_clock::time_point until_{};
};

/// One command by a connection of its own.
std::string command(std::uint16_t port, const Words& words, const std::string& password = "");

/// Looks again and again until it is so; throws with `what` in the text where it never is. A
/// condition that throws does not hold.
void wait_until(std::string_view what, const std::function<bool()>& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(30));

struct RedisServerOptions {
    std::string password = {};  ///< requirepass
    std::vector<std::string> config =
        {};                       ///< lines of redis.conf, e.g. "user app on >secret ~* +@all"
    bool appendonly = false;      ///< else data is only in memory
    bool unix_socket = false;     ///< listens there as well, see RedisServer::socket_path()
    bool settable_clock = false;  ///< see RedisServer::set_time()
    bool sentinel = false;        ///< redis-server --sentinel
    std::uint16_t port = 0;       ///< 0: a free one
};

class RedisServer {
  public:
    /// Starts it, and waits until it answers.
    explicit RedisServer(RedisServerOptions options = {});
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    /// As parse_redis_url() takes it, with the password.
    std::string url() const;
    std::string socket_path() const;
    pid_t pid() const noexcept { return pid_; }
    bool is_running() const noexcept { return pid_ > 0; }
    const std::filesystem::path& directory() const noexcept { return directory_; }

    std::string command(const Words& words) const;
    /// The value of a field of INFO, e.g. "role".
    std::string info(std::string_view field) const;

    void kill();            ///< SIGKILL; returns when it is gone
    void shutdown();        ///< SIGTERM: a proper end
    void stop_answering();  ///< SIGSTOP: connections stay, and nothing comes back
    void go_on();           ///< SIGCONT
    void start();           ///< again, on the same port, with the data that is on its disk
    void restart();         ///< kill() and start()
    void restart_empty();   ///< the same, without its data

    /// Only with settable_clock: what the server believes to be the time of day; 0: the real one.
    void set_time(std::int64_t milliseconds);

  private:
    bool try_start();
    void write_config() const;
    void end(int signal);

    const RedisServerOptions options_;
    std::filesystem::path directory_;
    std::uint16_t port_ = 0;
    pid_t pid_ = 0;
    std::int64_t* clock_ = nullptr;  ///< mapped
};

/// A primary with two replicas, and three sentinels, of which the first is the quickest to notice.
class SentinelSet {
  public:
    static constexpr const char* kName = "main";  ///< of the primary

    struct Options {
        std::chrono::milliseconds down_after{500};  ///< of the first sentinel
        std::string password = {};                  ///< of the servers
        std::string sentinel_password = {};         ///< of the sentinels
    };

    SentinelSet() : SentinelSet(Options{}) {}
    /// Returns when all sentinels know all servers and each other.
    explicit SentinelSet(Options options);

    std::string url() const;
    /// 0 is the primary at first.
    RedisServer& server(std::size_t index) { return *servers_.at(index); }
    RedisServer& sentinel(std::size_t index) { return *sentinels_.at(index); }
    /// The server that the sentinels name, as soon as it says itself that it is a primary, and all
    /// sentinels that run agree.
    RedisServer& wait_for_primary();
    /// The same, when it is another one than `old`.
    RedisServer& wait_for_primary_other_than(const RedisServer& old);
    /// Replaces the primary on purpose (SENTINEL FAILOVER), while it runs.
    RedisServer& fail_over();
    /// Until the primary has so many replicas that are in step.
    void wait_for_replicas(std::size_t count);

  private:
    RedisServer* find_primary();

    const Options options_;
    std::vector<std::unique_ptr<RedisServer>> servers_;
    std::vector<std::unique_ptr<RedisServer>> sentinels_;
};

/// Three primaries with a third of the slots each, and three replicas: node i + 3 is that of node i
/// at first.
class RedisCluster {
  public:
    struct Options {
        std::chrono::milliseconds node_timeout{1000};
        std::string password = {};
        std::vector<std::string> config = {};  ///< more lines of each node's redis.conf
        std::size_t primaries = 3;
        std::size_t replicas = 3;  ///< at most as many as primaries
    };

    RedisCluster() : RedisCluster(Options{}) {}
    /// Returns when all nodes say "cluster_state:ok", and replicas are in step.
    explicit RedisCluster(Options options);

    /// With all nodes in it.
    std::string url() const;
    std::size_t size() const noexcept { return nodes_.size(); }
    RedisServer& node(std::size_t index) { return *nodes_.at(index); }
    /// Index of the node that serves the slot now, in the view of the first node that runs.
    std::size_t owner(unsigned slot) const;
    /// Index of a primary's replica that runs.
    std::size_t replica_of(std::size_t primary) const;

    /// Moves a slot with all its keys, as redis-cli --cluster reshard does.
    void move_slot(unsigned slot, std::size_t to);
    // The steps of that. Between the first and the last the source says ASK for keys it lacks.
    void begin_move(unsigned slot, std::size_t to);
    /// At most so many keys; returns how many.
    std::size_t move_keys(unsigned slot, std::size_t to, std::size_t most);
    void end_move(unsigned slot, std::size_t to);

    /// Until all nodes that run agree on the slots and say "cluster_state:ok", and all replicas
    /// among them are in step.
    void wait_until_ok() const;
    /// Until a node that runs is the primary of the slot, and all that run know.
    std::size_t wait_for_owner_other_than(unsigned slot, std::size_t old) const;
    /// Adds a primary without slots; its index.
    std::size_t add_primary();
    /// Takes it out again; it must have no slots.
    void remove_last();

  private:
    std::string add_node();
    const RedisServer& any_running() const;
    std::size_t index_of(const std::string& id) const;

    const Options options_;
    std::vector<std::unique_ptr<RedisServer>> nodes_;
    std::vector<std::string> ids_;
};

}  // namespace ringmaster::redis
