#include "ringmaster/app/shard_fleet.hpp"

#include "ringmaster/app/shard_process.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::app {
namespace {

using shard::ShardIndex;
using shard::ShardPhase;
using Kind = FleetAction::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{30'000};
/// After so long a service a shard's earlier deaths are forgotten; and within so long a time a
/// crash loop has its deaths.
constexpr seconds kMinute{60};
/// Beyond drain_timeout, for the snapshot that a shard takes last.
constexpr seconds kDrainMargin{30};
/// For a shard that has nothing left to do but to end.
constexpr seconds kEndMargin{5};
constexpr seconds kStopMargin{1};
constexpr std::chrono::minutes kCheckTimeout{10};
/// A configuration of which so many shards die in a row is not tried on the others.
constexpr std::uint32_t kMaxConfigurersLost = 2;

std::string name_of(ShardIndex shard) {
    return "shard " + std::to_string(shard);
}

std::string count_of(std::size_t shards) {
    return std::to_string(shards) + (shards == 1 ? " shard" : " shards");
}

}  // namespace

bool ShardFleet::Member::alive() const noexcept {
    return phase != ShardPhase::none && phase != ShardPhase::dead;
}

ShardFleet::ShardFleet(FleetOptions options, Log& log, std::uint32_t seed)
    : options_(std::move(options)), log_(log), random_(seed), members_(options_.shards) {
    for (Member& member : members_) member.deaths.fill(SteadyTime::min());
}

void ShardFleet::start() {
    configure_wanted_ = true;
    for (ShardIndex i = 0; i < members_.size(); ++i) fork(i);
}

void ShardFleet::adopt(std::span<const ShardPhase> phases, std::vector<ControlClient> clients,
                       SteadyTime now) {
    mode_ = Mode::serving;
    restarting_ = true;
    stage_ = Stage::rolling;
    under_way_.clients = std::move(clients);
    for (ShardIndex i = 0; i < members_.size(); ++i) {
        Member& member = members_[i];
        member.phase = phases[i];
        if (member.phase == ShardPhase::serving) member.serving_since = now;
        if (member.phase == ShardPhase::draining) {
            member.kill_at = now + options_.drain_timeout + kDrainMargin;
        }
        if (!member.alive()) fork(i);
    }
    roll(now);
}

void ShardFleet::heard(ShardIndex shard, std::string_view line, SteadyTime now) {
    const std::size_t blank = line.find(' ');
    const std::string_view word = line.substr(0, blank);
    const std::string_view text = blank == line.npos ? "" : line.substr(blank + 1);
    Member& member = members_[shard];
    // What it said before it heard that it shall end means nothing any more.
    if (member.phase == ShardPhase::draining && word != channel::kFailed) return;
    if (word == channel::kRecovered && member.phase == ShardPhase::starting) {
        recovered(shard, now);
    } else if (word == channel::kServing && member.phase == ShardPhase::recovered) {
        serving(shard, now);
    } else if (word == channel::kConfigured && configurer_ == shard) {
        configured(text, now);
    } else if (word == channel::kFailed) {
        member.last_words = text;
        hung_up(shard, now);
    } else {
        log_.warning(name_of(shard) + " says \"" + std::string(line) +
                     "\", which is not expected of it");
    }
}

void ShardFleet::hung_up(ShardIndex shard, SteadyTime now) {
    Member& member = members_[shard];
    if (member.alive() && !member.kill_at) member.kill_at = now + kEndMargin;
}

void ShardFleet::recovered(ShardIndex shard, SteadyTime now) {
    members_[shard].phase = ShardPhase::recovered;
    if (mode_ == Mode::serving) tell(shard, channel::kServe);
    configure(now);
}

/// The lowest of those that can; at the start all others wait for it.
void ShardFleet::configure(SteadyTime now) {
    if (!configure_wanted_ || configurer_) return;
    if (mode_ == Mode::starting && !all(ShardPhase::recovered)) return;
    if (configurers_lost_ == kMaxConfigurersLost) {
        configure_wanted_ = false;
        return finish_job(false, "every shard that applies the configuration dies", now);
    }
    for (ShardIndex i = 0; i < members_.size(); ++i) {
        const ShardPhase phase = members_[i].phase;
        if (phase != ShardPhase::recovered && phase != ShardPhase::serving) continue;
        configurer_ = i;
        return tell(i, channel::kConfigure);
    }
}

void ShardFleet::configured(std::string_view problem, SteadyTime now) {
    configurer_.reset();
    configure_wanted_ = false;
    if (mode_ == Mode::starting) {
        if (!problem.empty()) return fail_start(std::string(problem), now);
        for (ShardIndex i = 0; i < members_.size(); ++i) tell(i, channel::kServe);
        return;
    }
    if (problem.empty()) {
        finish_job(
            true,
            restarting_ ? count_of(members_.size()) + " restarted" : "the configuration is applied",
            now);
    } else {
        finish_job(false, "the configuration is applied in part only: " + std::string(problem),
                   now);
    }
}

void ShardFleet::serving(ShardIndex shard, SteadyTime now) {
    members_[shard].phase = ShardPhase::serving;
    members_[shard].serving_since = now;
    if (mode_ == Mode::serving) {
        log_.info(name_of(shard) + " serves");
        return roll(now);
    }
    if (mode_ != Mode::starting || !all(ShardPhase::serving)) return;
    mode_ = Mode::serving;
    log_.info("listening on " + options_.address + ", " + count_of(members_.size()));
    act({.kind = Kind::notify, .text = "READY=1"});
    begin_job(now);
}

void ShardFleet::exited(ShardIndex shard, bool orderly, std::string_view how, SteadyTime now) {
    Member& member = members_[shard];
    const bool drained = member.phase == ShardPhase::draining;
    member.phase = ShardPhase::dead;
    member.kill_at.reset();
    if (configurer_ == shard) {
        configurer_.reset();
        ++configurers_lost_;
    }
    const std::string words = std::exchange(member.last_words, {});
    const std::string reason =
        name_of(shard) + (words.empty() ? " " + std::string(how) : " has failed: " + words);
    if (mode_ == Mode::starting) return fail_start(words.empty() ? reason : words, now);
    if (mode_ != Mode::serving) {
        if (!orderly && mode_ != Mode::failing) {
            cut_short_ = true;
            log_.warning(reason);
        }
        return end_if_all_have();
    }
    if (drained) {
        fork(shard);
    } else {
        died(shard, reason, now);
    }
    configure(now);
}

void ShardFleet::died(ShardIndex shard, const std::string& reason, SteadyTime now) {
    Member& member = members_[shard];
    if (member.serving_since && now - *member.serving_since >= kMinute) {
        member.failures = 0;
        member.crash_loop_told = false;
    }
    member.serving_since.reset();
    milliseconds delay{0};
    if (member.failures > 0) {
        // 2^9 times the first delay is more than the longest.
        delay = std::min(kLongestDelay, kFirstDelay * (1 << std::min(member.failures - 1, 9u)));
        using Draw = std::uniform_int_distribution<milliseconds::rep>;
        delay = milliseconds(Draw(delay.count() / 2, delay.count())(random_));
    }
    ++member.failures;
    member.fork_at = now + delay;
    log_.error(reason + "; its successor is forked " +
               (delay.count() == 0 ? "at once" : "in " + std::to_string(delay.count()) + " ms"));
    count_death(shard, now);
    if (stage_ == Stage::rolling && member.fresh) {
        finish_job(false, "the new " + reason + "; those that are not restarted yet serve on", now);
    }
    on_time(now);
}

void ShardFleet::count_death(ShardIndex shard, SteadyTime now) {
    Member& member = members_[shard];
    std::rotate(member.deaths.begin(), member.deaths.begin() + 1, member.deaths.end());
    member.deaths.back() = now;
    const bool loops =
        member.deaths.front() != SteadyTime::min() && now - member.deaths.front() <= kMinute;
    if (!loops || std::exchange(member.crash_loop_told, true)) return;
    log_.error(name_of(shard) + " IS IN A CRASH LOOP: it has died " +
               std::to_string(member.deaths.size()) + " times within " +
               std::to_string(kMinute.count()) +
               " s. Its pools' overflow numbers are handed out meanwhile; the other shards serve "
               "on, and it is tried again up to every " +
               std::to_string(kLongestDelay.count() / 1000) + " s");
}

void ShardFleet::fail_start(std::string reason, SteadyTime now) {
    failure_ = std::move(reason);
    log_.error(failure_);
    mode_ = Mode::failing;
    end_all(channel::kStop, now + kEndMargin);
    end_if_all_have();
}

void ShardFleet::stop(std::string_view by, std::optional<ControlClient> client, SteadyTime now) {
    if (mode_ == Mode::ended) return;
    if (client) stop_clients_.push_back(*client);
    const std::string name(by);
    if (mode_ == Mode::draining) {
        if (client) return;
        log_.warning(name + " again: stopping at once");
        mode_ = Mode::stopping;
        cut_short_ = true;
        return end_all(channel::kStop, now + kStopMargin);
    }
    if (mode_ != Mode::starting && mode_ != Mode::serving) return;
    log_.info(name + ": stopping; " + summary());
    mode_ = Mode::draining;
    if (stage_ == Stage::checking) act({.kind = Kind::kill_check});
    if (stage_ != Stage::none) finish_job(false, "it is told to stop", now);
    for (Job* job : {&reload_, &restart_}) answer(job->clients, false, "it is told to stop");
    act({.kind = Kind::close_doors});
    act({.kind = Kind::notify, .text = "STOPPING=1"});
    end_all(channel::kDrain, now + options_.drain_timeout + kDrainMargin);
    end_if_all_have();
}

void ShardFleet::end_all(std::string_view word, SteadyTime kill_at) {
    for (ShardIndex i = 0; i < members_.size(); ++i) {
        Member& member = members_[i];
        member.fork_at.reset();
        if (!member.alive()) continue;
        member.phase = ShardPhase::draining;
        member.kill_at = kill_at;
        tell(i, word);
    }
}

void ShardFleet::end_if_all_have() {
    if (std::ranges::any_of(members_, &Member::alive)) return;
    const bool good = mode_ != Mode::failing && !cut_short_;
    mode_ = Mode::ended;
    answer(stop_clients_, good, good ? "stopped" : "stopped, but not all requests had an answer");
    act({.kind = Kind::end, .good = good});
}

void ShardFleet::reload(std::string_view by, std::optional<ControlClient> client, SteadyTime now) {
    want(reload_, by, client, now);
}

void ShardFleet::restart(std::string_view by, std::optional<ControlClient> client, SteadyTime now) {
    want(restart_, by, client, now);
}

void ShardFleet::want(Job& job, std::string_view by, std::optional<ControlClient> client,
                      SteadyTime now) {
    const std::string what = &job == &reload_ ? "reload" : "restart";
    if (mode_ != Mode::starting && mode_ != Mode::serving) {
        if (client) {
            act({.kind = Kind::answer, .text = "it is told to stop", .client = *client});
        }
        return;
    }
    log_.info(std::string(by) + ": " + what +
              (stage_ == Stage::none && mode_ == Mode::serving ? "" : " comes next"));
    job.wanted = true;
    if (client) job.clients.push_back(*client);
    begin_job(now);
}

void ShardFleet::begin_job(SteadyTime now) {
    if (mode_ != Mode::serving || stage_ != Stage::none) return;
    if (!reload_.wanted && !restart_.wanted) return;
    restarting_ = !reload_.wanted;
    under_way_ = std::exchange(restarting_ ? restart_ : reload_, {});
    stage_ = Stage::checking;
    check_until_ = now + kCheckTimeout;
    if (!restarting_) act({.kind = Kind::notify, .text = "RELOADING=1"});
    act({.kind = restarting_ ? Kind::check_program : Kind::check_config});
}

void ShardFleet::checked(bool good, SteadyTime now) {
    if (stage_ != Stage::checking) return;
    if (!good) {
        return finish_job(false,
                          restarting_
                              ? "the shards serve on: the program on the disk or its configuration "
                                "is not good; the log tells why"
                              : "nothing is changed: the configuration is not good; the log tells "
                                "why",
                          now);
    }
    if (restarting_) {
        stage_ = Stage::rolling;
        return act({.kind = Kind::run_program});
    }
    stage_ = Stage::configuring;
    configure_wanted_ = true;
    configurers_lost_ = 0;
    configure(now);
}

void ShardFleet::program_failed(std::string_view why, SteadyTime now) {
    finish_job(false, "the shards serve on: " + std::string(why), now);
}

void ShardFleet::finish_job(bool good, std::string_view text, SteadyTime now) {
    if (stage_ == Stage::none) return;
    stage_ = Stage::none;
    configure_wanted_ = false;
    if (good) {
        log_.info(text);
    } else {
        log_.error(std::string(restarting_ ? "restart" : "reload") +
                   " has failed: " + std::string(text));
    }
    answer(under_way_.clients, good, text);
    under_way_ = {};
    if (!restarting_ && mode_ == Mode::serving) act({.kind = Kind::notify, .text = "READY=1"});
    begin_job(now);
}

/// Goes one step on with a restart, where nothing is to be waited for.
void ShardFleet::roll(SteadyTime now) {
    if (stage_ != Stage::rolling || !all(ShardPhase::serving)) return;
    for (ShardIndex i = 0; i < members_.size(); ++i) {
        Member& member = members_[i];
        if (member.fresh) continue;
        member.phase = ShardPhase::draining;
        member.kill_at = now + options_.drain_timeout + kDrainMargin;
        return tell(i, channel::kDrain);
    }
    // What the configuration says now, the shards run; its pools are still to come.
    stage_ = Stage::configuring;
    configure_wanted_ = true;
    configurers_lost_ = 0;
    configure(now);
}

void ShardFleet::on_time(SteadyTime now) {
    for (ShardIndex i = 0; i < members_.size(); ++i) {
        Member& member = members_[i];
        if (member.fork_at && *member.fork_at <= now) fork(i);
        if (!member.kill_at || *member.kill_at > now) continue;
        member.kill_at.reset();
        log_.warning(name_of(i) + " does not end by itself: it is killed");
        act({.kind = Kind::kill, .shard = i});
    }
    if (stage_ == Stage::checking && check_until_ <= now) {
        act({.kind = Kind::kill_check});
        finish_job(false, "the check of the configuration does not end", now);
    }
}

std::optional<SteadyTime> ShardFleet::next_time() const {
    std::optional<SteadyTime> next;
    const auto consider = [&](std::optional<SteadyTime> time) {
        if (time && (!next || *time < *next)) next = time;
    };
    for (const Member& member : members_) {
        consider(member.fork_at);
        consider(member.kill_at);
    }
    if (stage_ == Stage::checking) consider(check_until_);
    return next;
}

std::vector<FleetAction> ShardFleet::take_actions() {
    return std::exchange(actions_, {});
}

std::string ShardFleet::summary() const {
    const auto serving =
        static_cast<std::size_t>(std::ranges::count(members_, ShardPhase::serving, &Member::phase));
    const std::string of_all = serving == members_.size() ? "" : std::to_string(serving) + " of ";
    return of_all + count_of(members_.size()) + (members_.size() == 1 ? " serves" : " serve");
}

std::vector<ControlClient> ShardFleet::waiting() const {
    std::vector<ControlClient> clients;
    for (const Job* job : {&under_way_, &reload_, &restart_}) {
        clients.insert(clients.end(), job->clients.begin(), job->clients.end());
    }
    return clients;
}

void ShardFleet::tell(ShardIndex shard, std::string_view word) {
    act({.kind = Kind::tell, .shard = shard, .text = std::string(word)});
}

void ShardFleet::fork(ShardIndex shard) {
    Member& member = members_[shard];
    member.phase = ShardPhase::starting;
    member.fresh = true;
    member.fork_at.reset();
    act({.kind = Kind::fork, .shard = shard});
}

void ShardFleet::answer(std::vector<ControlClient>& clients, bool good, std::string_view text) {
    for (const ControlClient client : std::exchange(clients, {})) {
        act({.kind = Kind::answer, .text = std::string(text), .client = client, .good = good});
    }
}

bool ShardFleet::all(ShardPhase phase) const {
    return std::ranges::all_of(members_,
                               [&](const Member& member) { return member.phase == phase; });
}

}  // namespace ringmaster::app
