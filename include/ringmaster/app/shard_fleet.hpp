#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// Who asked for something and waits for the outcome.
using ControlClient = std::uint64_t;

/// Something to be done for the fleet.
struct FleetAction {
    enum class Kind {
        fork,           ///< `shard`; where that is not possible, exited() is to be told
        tell,           ///< `shard` the `text`, a word of its channel
        kill,           ///< `shard`
        close_doors,    ///< the sockets of clients, so that new ones are refused
        check_config,   ///< in another process; then checked()
        check_program,  ///< the one on the disk, with the configuration; then checked()
        kill_check,     ///< the process that does so
        run_program,    ///< the one on the disk in this one's place; else program_failed()
        notify,         ///< the service manager of `text`
        answer,         ///< `client` with `text`: done where `good`, else failed
        end,            ///< of the supervisor: as it was told to where `good`
    };
    Kind kind{};
    shard::ShardIndex shard = 0;
    std::string text = {};
    ControlClient client = 0;
    bool good = false;
};

struct FleetOptions {
    std::size_t shards = 1;
    std::chrono::milliseconds drain_timeout{10'000};
    std::string address;  ///< where clients find them, for the log
};

/// Which process of the fleet is to be started, told or ended when. What has happened goes in, and
/// what is to be done comes out; it has no processes and no clock of its own, and time must not go
/// backwards.
///
/// - *Start*: all are forked. When all have recovered, one is told to apply the configuration's
///   pools; when it has, all are told to serve. One that dies before all serve fails the start.
/// - A shard that dies later is forked again: at once, then after 100 ms, doubling to 30 s, each
/// cut
///   short at random by up to half; from the beginning where it has served for a minute. It serves
///   as soon as it has recovered, for the others have served meanwhile. Five deaths within a minute
///   are told once as what they are. It is never forked before its predecessor was reaped.
/// - *Reload*: the configuration is checked, and if it is good, applied by one shard.
/// - *Restart*: the program on the disk checks the configuration. If it is good it takes this one's
///   place, and goes on where adopt() begins: one shard after the other is drained and forked, each
///   once all serve. One that dies as a new one ends that; the old ones serve on.
/// - *Stop*: all are told to drain, and killed when their time is over; the second time, at once.
///   It ends a reload or restart.
///
/// One reload or restart is under way at a time. Those that are asked for meanwhile come after it,
/// and are one. For one thread.
class ShardFleet {
  public:
    /// `log` must outlive the fleet.
    ShardFleet(FleetOptions options, Log& log, std::uint32_t seed);

    // Once, one of both:
    void start();
    /// As the successor of another supervisor in the middle of a restart, which `clients` wait for.
    /// Those shards of which there is no process are ShardPhase::dead.
    void adopt(std::span<const shard::ShardPhase> phases, std::vector<ControlClient> clients,
               SteadyTime now);

    // What has happened:
    /// One line of a shard's channel. What is not expected from it is told and ignored.
    void heard(shard::ShardIndex shard, std::string_view line, SteadyTime now);
    /// It has closed its channel, and should end now.
    void hung_up(shard::ShardIndex shard, SteadyTime now);
    /// Its process is reaped. `how` tells it for people: "was killed by signal 9 (Killed)".
    void exited(shard::ShardIndex shard, bool orderly, std::string_view how, SteadyTime now);
    void checked(bool good, SteadyTime now);
    void program_failed(std::string_view why, SteadyTime now);
    /// `by` tells who wants it: "SIGTERM". A signal names no client, and counts twice where it
    /// comes twice; clients all get the one outcome.
    void stop(std::string_view by, std::optional<ControlClient> client, SteadyTime now);
    void reload(std::string_view by, std::optional<ControlClient> client, SteadyTime now);
    void restart(std::string_view by, std::optional<ControlClient> client, SteadyTime now);
    /// To be called when next_time() has come.
    void on_time(SteadyTime now);

    /// What is to be done, in this order, since it was asked last.
    std::vector<FleetAction> take_actions();
    bool has_actions() const noexcept { return !actions_.empty(); }
    std::optional<SteadyTime> next_time() const;

    shard::ShardPhase phase(shard::ShardIndex shard) const { return members_[shard].phase; }
    /// All have served at once, and it was not told to stop.
    bool ready() const noexcept { return mode_ == Mode::serving; }
    /// Why the start failed; empty: it has not.
    const std::string& failure() const noexcept { return failure_; }
    /// "2 of 3 shards serve".
    std::string summary() const;
    /// Those who wait for a reload or a restart, which are one when a program takes over.
    std::vector<ControlClient> waiting() const;

  private:
    enum class Mode { starting, serving, failing, draining, stopping, ended };
    enum class Stage { none, checking, rolling, configuring };

    struct Member {
        shard::ShardPhase phase = shard::ShardPhase::none;
        bool fresh = false;  ///< forked since the restart began
        std::string last_words;
        std::optional<SteadyTime> fork_at;
        std::optional<SteadyTime> kill_at;
        std::optional<SteadyTime> serving_since;
        std::uint32_t failures = 0;  ///< deaths without a minute of service in between
        std::array<SteadyTime, 5> deaths;
        bool crash_loop_told = false;

        bool alive() const noexcept;
    };
    struct Job {
        bool wanted = false;
        std::vector<ControlClient> clients;
    };

    void act(FleetAction action) { actions_.push_back(std::move(action)); }
    void tell(shard::ShardIndex shard, std::string_view word);
    void fork(shard::ShardIndex shard);
    void answer(std::vector<ControlClient>& clients, bool good, std::string_view text);
    bool all(shard::ShardPhase phase) const;

    void recovered(shard::ShardIndex shard, SteadyTime now);
    void configured(std::string_view problem, SteadyTime now);
    void serving(shard::ShardIndex shard, SteadyTime now);
    void died(shard::ShardIndex shard, const std::string& reason, SteadyTime now);
    void count_death(shard::ShardIndex shard, SteadyTime now);
    void configure(SteadyTime now);
    void fail_start(std::string reason, SteadyTime now);
    void end_all(std::string_view word, SteadyTime kill_at);
    void end_if_all_have();
    void want(Job& job, std::string_view by, std::optional<ControlClient> client, SteadyTime now);
    void begin_job(SteadyTime now);
    void finish_job(bool good, std::string_view text, SteadyTime now);
    void roll(SteadyTime now);

    const FleetOptions options_;
    Log& log_;
    std::mt19937 random_;
    Mode mode_ = Mode::starting;
    std::vector<Member> members_;
    std::vector<FleetAction> actions_;
    std::string failure_;
    bool cut_short_ = false;  ///< a shard did not end by itself
    std::vector<ControlClient> stop_clients_;

    Stage stage_ = Stage::none;  ///< of the one that is under way
    Job under_way_;
    bool restarting_ = false;  ///< it is a restart
    SteadyTime check_until_{};
    Job reload_, restart_;  ///< which come next

    bool configure_wanted_ = false;
    std::uint32_t configurers_lost_ = 0;
    std::optional<shard::ShardIndex> configurer_;
};

}  // namespace ringmaster::app
