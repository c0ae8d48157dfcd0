/// A walk at random through all the trouble that a disk, a clock and a machine can make, against a
/// model that knows only what the store has answered.
///
/// A walk is drawn from a seed and nothing else: time stands still but for leaps, and of the
/// store's threads and children one at a time goes on, when the walk says so, up to its next step
/// on the disk. So a walk that fails does so again, at the same step:
///
///     FAULT_WALK_SEED=7 FAULT_WALK_STEPS=250000 store_tests --gtest_filter='*FaultWalk*'

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <random>
#include <semaphore>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "store/power_cut_disk.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::OverflowReason;
using ringpool::PoolIndex;

constexpr std::chrono::milliseconds kRequestTimeout{2000};
constexpr unsigned kSessions = 40;
const std::vector<TestPool> kPools = {{"autos", 12, 10min, 0s}, {"boats", 20, 1h, 10min}};

/// A disk on which each step of a helper thread waits for its turn, so that the order in which
/// things happen is the walk's to choose.
class TurnDisk final : public PowerCutDisk {
  public:
    std::error_code create(const std::filesystem::path& path, UniqueFd& file) override {
        wait_for_turn();
        return PowerCutDisk::create(path, file);
    }
    std::error_code rename(const std::filesystem::path& from,
                           const std::filesystem::path& to) override {
        wait_for_turn();
        return PowerCutDisk::rename(from, to);
    }
    std::error_code remove(const std::filesystem::path& path) override {
        wait_for_turn();
        return PowerCutDisk::remove(path);
    }
    std::error_code sync_directory(const std::filesystem::path& directory) override {
        wait_for_turn();
        return PowerCutDisk::sync_directory(directory);
    }
    std::error_code write_at(int file, std::span<const std::byte> bytes,
                             std::uint64_t offset) noexcept override {
        wait_for_turn();
        return PowerCutDisk::write_at(file, bytes, offset);
    }
    std::error_code allocate(int file, std::uint64_t bytes) noexcept override {
        wait_for_turn();
        return PowerCutDisk::allocate(file, bytes);
    }
    std::error_code sync(int file) noexcept override {
        wait_for_turn();
        return PowerCutDisk::sync(file);
    }

    /// The helper thread of this name gets no turn any more.
    void hold_up(const std::string& helper) { held_up_.push_back(helper); }
    void let_all_go() { held_up_.clear(); }

    bool waits(const std::string& helper) {
        const std::lock_guard lock(mutex_);
        return waiting_.contains(helper);
    }
    /// One of those who wait, if any may go on, does its next step. Returns whether there was one.
    bool give_turn(std::mt19937& random) {
        std::unique_lock lock(mutex_);
        std::vector<std::string> candidates;
        for (const auto& [helper, turn] : waiting_) {
            if (std::ranges::find(held_up_, helper) == held_up_.end()) candidates.push_back(helper);
        }
        if (candidates.empty()) return false;
        const auto chosen = waiting_.extract(candidates[random() % candidates.size()]);
        lock.unlock();
        chosen.mapped()->release();
        return true;
    }
    /// A child works on its own, while nothing else does; it is left for the store to reap.
    void let_children_end() {
        shared_->children_may_go_on = true;
        siginfo_t ended;
        ::waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT);
        shared_->children_may_go_on = false;
    }

  private:
    using Turn = std::binary_semaphore;

    void wait_for_turn() noexcept {
        if (::getpid() != owner_) {
            while (!shared_->children_may_go_on) std::this_thread::yield();
        } else if (std::this_thread::get_id() != walk_) {
            std::array<char, 16> name{};
            ::pthread_getname_np(::pthread_self(), name.data(), name.size());
            Turn turn(0);
            {
                const std::lock_guard lock(mutex_);
                waiting_.emplace(name.data(), &turn);
            }
            turn.acquire();
        }
    }

    struct Shared {
        std::atomic<bool> children_may_go_on = false;
    };
    const std::thread::id walk_ = std::this_thread::get_id();
    const pid_t owner_ = ::getpid();
    SharedPage<Shared> shared_;
    std::mutex mutex_;
    std::map<std::string, Turn*> waiting_;  ///< by helper; so in an order of its own
    std::vector<std::string> held_up_;
};

/// The other threads of this process.
class OtherThreads {
  public:
    OtherThreads() {
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
            if (task.path().filename() == std::to_string(::gettid())) continue;
            Thread thread;
            std::getline(std::ifstream(task.path() / "comm"), thread.name);
            thread.status = UniqueFd(::open((task.path() / "stat").c_str(), O_RDONLY | O_CLOEXEC));
            threads_.push_back(std::move(thread));
        }
    }
    /// Returns when each of them waits: for its turn on the disk, or for something to do.
    void wait_until_at_rest(TurnDisk& disk) const {
        for (const Thread& thread : threads_) {
            while (!disk.waits(thread.name) && !asleep(thread.status.get())) {
                std::this_thread::yield();
            }
        }
    }

  private:
    struct Thread {
        std::string name;
        UniqueFd status;
    };
    // The state stands behind the name, which is in parentheses. A thread that is gone can't be
    // read.
    static bool asleep(int file) {
        std::array<char, 64> text;
        const ssize_t bytes = ::pread(file, text.data(), text.size(), 0);
        if (bytes <= 0) return true;
        const std::string_view status(text.data(), static_cast<std::size_t>(bytes));
        const auto name_end = status.rfind(')');
        return name_end + 2 < status.size() && status[name_end + 2] == 'S';
    }
    std::vector<Thread> threads_;
};

/// What the answers of one pool have promised so far. Where it can't be known what has become of a
/// request, it expects no more than is sure either way.
class Promises {
  public:
    explicit Promises(const TestPool& pool) : pool_(pool), sessions_(kSessions) {}

    void asked(unsigned session, WallTime now) {
        Session& s = sessions_[session];
        ++s.asking;
        s.busy_until = std::max(s.busy_until, now + pool_.lifetime + pool_.cooldown);
    }
    /// Each returns what is wrong with the answer, if anything. The store did it in between.
    std::string allocated(unsigned session, std::uint64_t number, WallTime from, WallTime now) {
        Session& s = answered(session, now);
        if (s.number != number && sure_of(s, now)) {
            return "it holds " + std::to_string(s.number) + ", and was told " +
                   std::to_string(number);
        }
        Claim& claim = claims_[number];
        if (claim.session != session) {
            if (claim.session && claim.eligible_at > now) {
                return std::to_string(number) + " is still protected for session " +
                       std::to_string(*claim.session);
            }
            if (claim.session && sessions_[*claim.session].number == number) {
                sessions_[*claim.session].number = 0;
            }
            claim = {session, {}, {}, {}};
        }
        claim.touched = std::max(claim.touched, from);
        claim.expires_at = std::max(claim.expires_at, from + pool_.lifetime);
        claim.eligible_at = std::max(claim.eligible_at, from + pool_.lifetime + pool_.cooldown);
        s.number = number;
        s.perhaps_released = s.releasing > 0;
        return {};
    }
    std::string exhausted(unsigned session, WallTime from, WallTime now) {
        Session& s = answered(session, now);
        if (sure_of(s, now)) return "it holds " + std::to_string(s.number);
        const auto busy =
            static_cast<std::size_t>(std::ranges::count_if(sessions_, [&](const Session& one) {
                return one.asking > 0 || one.busy_until > from;
            }));
        if (busy >= pool_.numbers || from < unknown_until_) return {};
        return "at most " + std::to_string(busy) + " of " + std::to_string(pool_.numbers) +
               " numbers are held";
    }
    void unanswered(unsigned session, WallTime now) { answered(session, now); }

    std::uint64_t number_of(unsigned session) const { return sessions_[session].number; }
    /// Returns whether the session is sure to hold its number up to now.
    bool releases(unsigned session, WallTime now) {
        Session& s = sessions_[session];
        const bool sure = sure_of(s, now);
        s.perhaps_released = true;
        ++s.releasing;
        // From now on no more than the cool-down is sure.
        Claim& claim = claims_[s.number];
        claim.eligible_at = std::min(claim.eligible_at, now + pool_.cooldown);
        return sure;
    }
    void released(unsigned session, std::uint64_t number, WallTime from, WallTime now) {
        Session& s = sessions_[session];
        --s.releasing;
        Claim& claim = claims_[number];
        if (claim.session != session) return;
        claim.touched = claim.expires_at = from;
        claim.eligible_at = from + pool_.cooldown;
        if (s.asking == 0) s.busy_until = now + pool_.cooldown;
    }
    void perhaps_released(unsigned session) { --sessions_[session].releasing; }

    /// The machine lost what it had not been asked to keep.
    void forget(WallTime now) {
        claims_.clear();
        for (Session& s : sessions_) s.number = 0;
        unknown_until_ = now + pool_.lifetime + pool_.cooldown;
    }
    /// What is wrong with what a new life of the store knows of the promises of the earlier ones.
    std::string kept_by(const ringpool::RingPool& pool, WallTime now) const {
        for (ringpool::SlotIndex i = 0; i < pool.size(); ++i) {
            const auto found = claims_.find(pool.number(i).number.digits());
            if (found == claims_.end()) continue;
            const Claim& claim = found->second;
            if (claim.eligible_at <= now || sessions_[*claim.session].perhaps_released) continue;
            const ringpool::Slot& slot = pool.slot(i);
            if (!slot.session || slot.last_touch < claim.touched ||
                slot.expires_at < claim.expires_at || slot.eligible_at < claim.eligible_at) {
                return "of " + pool.number(i).number.e164() + " it does not know what session " +
                       std::to_string(*claim.session) + " was promised";
            }
        }
        return {};
    }
    WallTime latest_touch() const {
        WallTime latest{};
        for (const auto& [number, claim] : claims_) latest = std::max(latest, claim.touched);
        return latest;
    }

  private:
    struct Session {
        std::uint64_t number = 0;  ///< that it was told of last
        bool perhaps_released = false;
        unsigned asking = 0;
        unsigned releasing = 0;
        WallTime busy_until{};  ///< the latest end of any hold that it may have
    };
    struct Claim {
        std::optional<unsigned> session;
        WallTime touched{};
        WallTime expires_at{};
        WallTime eligible_at{};
    };
    Session& answered(unsigned session, WallTime now) {
        Session& s = sessions_[session];
        --s.asking;
        s.busy_until = std::max(s.busy_until, now + pool_.lifetime + pool_.cooldown);
        return s;
    }
    bool sure_of(const Session& s, WallTime now) const {
        return s.number != 0 && !s.perhaps_released && claims_.at(s.number).expires_at > now;
    }

    const TestPool pool_;
    std::vector<Session> sessions_;
    std::map<std::uint64_t, Claim> claims_;
    WallTime unknown_until_{};
};

class Walk {
  public:
    Walk(unsigned seed, unsigned long steps) : random_(seed), steps_(steps) {
        clock_.stop();
        base_ = clock_.wall_now();
        for (const TestPool& pool : kPools) promises_.emplace_back(pool);
    }

    /// What went wrong first, and what led to it; empty where nothing did.
    std::string run() {
        reopen();
        for (; step_ < steps_ && failure_.empty(); ++step_) {
            take_step();
            if (failure_.empty() && disk_.frozen()) die();
        }
        if (failure_.empty()) recover_from_faults();
        end_life();
        return report();
    }
    std::string summary() const {
        std::string text;
        for (const auto& [what, count] : counts_) text += what + " " + std::to_string(count) + "\n";
        return text;
    }

  private:
    struct Row {
        PoolIndex pool;
        unsigned session;
        std::string session_id;
        std::string context;
    };

    std::string report() const {
        if (failure_.empty()) return {};
        std::string text = "step " + std::to_string(step_) + ": " + failure_ + "\nThe last steps:";
        for (const std::string& line : trace_) text += "\n  " + line;
        return text + "\nThe log of this life:\n" + last_log_;
    }

    unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
    void note(const std::string& what, const std::string& more = {}) {
        ++counts_[what];
        trace_.push_back(std::to_string(step_) + ": " + what + " " + more);
        if (trace_.size() > 40) trace_.pop_front();
    }
    void expect(bool holds, const std::string& what) {
        if (!holds && failure_.empty()) failure_ = what;
    }
    WallTime now() const { return base_ + elapsed_; }

    void take_step() {
        const unsigned chance = draw(10'000);
        // Whatever else is done is done when all have come to rest.
        if (chance >= 8600) drive_all();
        if (chance < 7300) {
            ask(1);
        } else if (chance < 7800) {
            ask(2 + draw(20));
        } else if (chance < 8600) {
            release();
        } else if (chance < 9600) {
            leap(std::chrono::milliseconds(1 + draw(700)));
        } else if (chance < 9750) {
            leap(std::chrono::milliseconds(1 + draw(1'200'000)));
        } else if (chance < 9770) {
            leap(std::chrono::milliseconds(1 + draw(4 * 3'600'000)));
        } else if (chance < 9800) {
            const auto by = std::chrono::hours(static_cast<int>(draw(201)) - 100);
            note("wall clock leaps", std::to_string(by.count()) + " h");
            clock_.leap_wall(by);
        } else if (chance < 9850) {
            break_disk();
        } else if (chance < 9880) {
            const char* const helper = draw(2) == 0 ? "journal sync" : "store files";
            note("hangs", helper);
            disk_.hold_up(helper);
            healthy_ = false;
        } else if (chance < 9970) {
            recover_from_faults();
        } else if (chance < 9985) {
            const int after = static_cast<int>(draw(60));
            note("will crash", "after " + std::to_string(after) + " steps of the disk");
            disk_.freeze_after(after);
            will_crash_ = true;
            healthy_ = false;
        } else if (chance < 9995) {
            disk_.freeze();
            die();
        } else {
            close();
        }
    }

    // --- requests ---

    void ask(unsigned count) {
        std::vector<Row> rows(count);
        for (Row& row : rows) {
            row.pool = draw(static_cast<unsigned>(kPools.size()));
            row.session = draw(kSessions);
            row.session_id = "v-" + std::to_string(row.session);
            row.context = one_parameter("n", std::to_string(draw(3)));
            promises_[row.pool].asked(row.session, now());
        }
        note(count == 1 ? "ask" : "ask for many",
             count == 1 ? kPools[rows[0].pool].id + " " + rows[0].session_id
                        : std::to_string(count));
        start([this, rows = std::move(rows)] { ask_here(rows); });
    }
    void ask_here(const std::vector<Row>& rows) {
        std::vector<ringpool::AllocationRequest> requests;
        for (const Row& row : rows) {
            requests.push_back({row.pool, {row.session_id, ringpool::Context(row.context)}});
        }
        std::vector<Allocation> answers(rows.size());
        const WallTime from = now();
        const unsigned health_before = health();
        (*store_)->allocate(requests, answers, deadline());
        for (std::size_t i = 0; i < rows.size(); ++i)
            judge(rows[i], answers[i], from, health_before);
    }
    void judge(const Row& row, const Allocation& answer, WallTime from, unsigned health_before) {
        Promises& promises = promises_[row.pool];
        std::string wrong;
        if (answer.outcome == Allocation::Outcome::allocated) {
            ++counts_["  was allocated"];
            wrong = promises.allocated(row.session, answer.number.digits(), from, now());
        } else if (answer.reason == OverflowReason::exhausted) {
            ++counts_["  was exhausted"];
            wrong = promises.exhausted(row.session, from, now());
        } else {
            ++counts_["  was unavailable"];
            promises.unanswered(row.session, now());
            if (health_before == health()) wrong = "the store was available";
        }
        expect(wrong.empty(), kPools[row.pool].id + " " + row.session_id + ": " + wrong);
    }
    void release() {
        const PoolIndex pool = draw(static_cast<unsigned>(kPools.size()));
        const unsigned session = draw(kSessions);
        const std::uint64_t number = promises_[pool].number_of(session);
        if (number == 0) return;
        note("release", kPools[pool].id + " v-" + std::to_string(session));
        start([=, this] { release_here(pool, session, number); });
    }
    void release_here(PoolIndex pool, unsigned session, std::uint64_t number) {
        const WallTime from = now();
        const unsigned health_before = health();
        const bool held = promises_[pool].releases(session, from);
        const std::string id = "v-" + std::to_string(session);
        const auto done = (*store_)->release(pool, ringpool::PhoneNumber::from_digits(number),
                                             {id, {}}, deadline());
        if (done) {
            ++counts_["  was released"];
            promises_[pool].released(session, number, from, now());
            return;
        }
        promises_[pool].perhaps_released(session);
        if (done.error().code == ErrorCode::not_found) {
            expect(!held || from != now(), id + " can't give back what it holds");
        } else {
            expect(health_before != health(), id + " can't give back: " + done.error().message);
        }
    }
    Deadline deadline() {
        return Deadline::at(store_->reactor().scheduler().now() + kRequestTimeout);
    }
    /// Differs from any other value unless all has been well, and time stood still, in between.
    unsigned health() { return healthy_ ? health_ : ++health_; }

    template <class Job>
    void start(Job job) {
        ++in_flight_;
        store_->reactor().post([this, job = std::move(job)] {
            store_->reactor().scheduler().run("walk", [this, job] {
                job();
                --in_flight_;
            });
        });
        drive();
    }
    /// Lets everything go on that can without time, until nothing is left to be done. Work of the
    /// helper threads begins with a step on the disk, and so may be left to wait there for a while:
    /// to look after them is what takes most of the time.
    void drive() {
        run_reactor();
        if (in_flight_ == 0 && step_ % 16 != 0) return;
        drive_all();
    }
    void drive_all() {
        unsigned turns = 0;
        do {
            do {
                if (++turns > 10'000) return expect(false, "the store does not come to rest");
                run_reactor();
                threads_->wait_until_at_rest(disk_);
                disk_.let_children_end();
            } while (disk_.give_turn(random_));
        } while (run_reactor() > 0);
    }
    std::size_t run_reactor() {
        store_->reactor().context().restart();
        return store_->reactor().context().poll();
    }

    // --- trouble ---

    void leap(std::chrono::milliseconds by) {
        note("leap", std::to_string(by.count()) + " ms");
        go_on(by);
        if (by >= kRequestTimeout) expect(in_flight_ == 0, "requests hang");
    }
    void go_on(std::chrono::milliseconds by) {
        drive_all();
        ++health_;
        elapsed_ += by;
        since_boot_ += by;
        clock_.leap(by);
        store_->reactor().post([] {});
        drive_all();
    }
    void break_disk() {
        healthy_ = false;
        const auto error = draw(2) == 0 ? std::errc::no_space_on_device : std::errc::io_error;
        switch (draw(4)) {
            case 0: {
                const unsigned bytes = draw(300);
                note("short writes", std::to_string(bytes));
                disk_.write_short(static_cast<int>(bytes));
                return;
            }
            case 1:
                note("fails", "snapshots");
                disk_.fail_paths("snapshot");
                return;
            case 2: {
                const unsigned step = 1u << draw(8);
                note("fails", std::to_string(step));
                disk_.fail(step, error);
                return;
            }
            default: {
                const unsigned steps = 1 + draw(255);
                note("fails", std::to_string(steps));
                disk_.fail(steps, error);
            }
        }
    }
    /// The disk is well again: so is the store, by itself, after its longest pause.
    void recover_from_faults() {
        note("recover");
        disk_.heal();
        disk_.let_all_go();
        for (int i = 0; i < 60 && !disk_.frozen(); ++i) {
            go_on(500ms);
            if (i >= 12 && (*store_)->ready()) break;
        }
        if (disk_.frozen() || !failure_.empty()) return;
        expect((*store_)->ready().ok(), "service does not resume");
        expect(in_flight_ == 0, "requests hang");
        healthy_ = !will_crash_;
    }

    // --- lives ---

    void die() {
        const bool power_cut = draw(3) == 0;
        note(power_cut ? "power cut" : "killed", "with fsync " + std::to_string(int(fsync_)));
        end_life();
        if (power_cut) {
            disk_.cut_power(random_);
            if (fsync_ != Fsync::always) {
                for (Promises& promises : promises_) promises.forget(now());
            }
            ++boot_;
            since_boot_ = 1min;
        }
        pass_time_without_a_process();
        reopen();
    }
    void close() {
        note("close");
        end_life();
        pass_time_without_a_process();
        reopen();
    }
    void pass_time_without_a_process() {
        const auto away = std::chrono::milliseconds(draw(draw(20) == 0 ? 3'600'000 : 5'000));
        elapsed_ += away;
        since_boot_ += away;
        clock_.leap(away);
    }
    void end_life() {
        if (store_->error()) return;  // it did not come to life
        disk_.let_all_go();
        bool closed = false;
        start([&] {
            (*store_)->close();
            closed = true;
        });
        for (int i = 0; i < 5000 && !closed; ++i) go_on(5ms);
        expect(closed && in_flight_ == 0, "close() hangs");
        last_log_ = store_->log().all();
        if (!closed) {  // then its fibers can't be taken down
            std::fputs(report().c_str(), stderr);
            std::abort();
        }
        store_.reset();
        disk_.freeze_after(1 << 30);
        will_crash_ = false;
    }
    BootTime boot_time() const {
        BootTime boot{since_boot_, {}};
        std::memcpy(boot.boot_id.data(), &boot_, sizeof(boot_));
        return boot;
    }
    void reopen() {
        static constexpr std::array kFsync = {Fsync::always, Fsync::everysec, Fsync::never};
        fsync_ = kFsync[draw(kFsync.size())];
        EmbeddedStoreOptions options;
        options.fsync = fsync_;
        options.segment_bytes = 4096;
        options.snapshot_after_bytes = 48 << 10;
        options.history = 2h;
        while (true) {
            store_ = std::make_unique<TestStore>(directory_.path(), kPools, options, &disk_,
                                                 &clock_, boot_time());
            if (!store_->error()) break;
            // Whatever the disk did, this may fail for as long as it does, and no longer.
            expect(!healthy_ && store_->error()->code != ErrorCode::damaged,
                   store_->error()->message);
            last_log_ = store_->log().all();
            if (!failure_.empty()) return;
            disk_.heal();
            healthy_ = true;
        }
        threads_.emplace();
        check_time();
        for (std::size_t i = 0; i < promises_.size(); ++i) {
            const auto wrong =
                promises_[i].kept_by((*store_)->pool(static_cast<PoolIndex>(i)), now());
            expect(wrong.empty(), wrong);
        }
        last_log_ = store_->log().all();
        drive_all();
    }
    /// Within a boot the store's time goes on with the machine's. Behind one it is at least what
    /// it was, and it does not run ahead of both itself and the wall clock.
    void check_time() {
        const WallTime hold_now = (*store_)->hold_now();
        if (boot_ == last_boot_) {
            expect(hold_now == now(), "time has not gone on as the machine's");
            return;
        }
        last_boot_ = boot_;
        for (const Promises& promises : promises_) {
            expect(hold_now >= promises.latest_touch(), "time went backwards");
        }
        expect(hold_now <= std::max(now(), clock_.wall_now()), "time ran ahead");
        base_ += hold_now - now();
    }

    std::mt19937 random_;
    const unsigned long steps_;
    unsigned long step_ = 0;
    std::string failure_;
    std::string last_log_;
    std::deque<std::string> trace_;
    std::map<std::string, unsigned long> counts_;

    TempDirectory directory_;
    TurnDisk disk_;
    LeapingClock clock_;
    WallTime base_{};                      ///< the store's time at the begin of the walk
    std::chrono::milliseconds elapsed_{};  ///< since then
    std::chrono::milliseconds since_boot_{1h};
    unsigned boot_ = 1;
    unsigned last_boot_ = 1;
    Fsync fsync_ = Fsync::always;

    std::unique_ptr<TestStore> store_;
    std::optional<OtherThreads> threads_;
    std::vector<Promises> promises_;
    std::size_t in_flight_ = 0;
    bool will_crash_ = false;
    bool healthy_ = true;
    unsigned health_ = 0;
};

unsigned long from_environment(const char* name, unsigned long otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::strtoul(value, nullptr, 10) : otherwise;
}

#ifdef __SANITIZE_ADDRESS__
constexpr unsigned long kSteps = 10'000;
#else
constexpr unsigned long kSteps = 250'000;
#endif

class FaultWalk : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seed, FaultWalk, ::testing::Values(1u, 2u, 3u, 4u));

TEST_P(FaultWalk, BreaksNoPromise) {
    const auto seed = from_environment("FAULT_WALK_SEED", GetParam());
    Walk walk(static_cast<unsigned>(seed), from_environment("FAULT_WALK_STEPS", kSteps));
    const std::string failure = walk.run();
    EXPECT_EQ(failure, "") << "FAULT_WALK_SEED=" << seed;
    if (std::getenv("FAULT_WALK_SUMMARY") != nullptr) std::fputs(walk.summary().c_str(), stderr);
}

}  // namespace
}  // namespace ringmaster::store
