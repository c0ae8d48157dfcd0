#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/store/embedded_store.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "store_contract/run_in_fiber.hpp"
#include "store_contract/values.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store::testing {

/// A directory of its own for each test, removed with it.
class TempDirectory {
  public:
    TempDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "store-test-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~TempDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_;
};

/// Damages one byte of a file.
inline void flip(const std::filesystem::path& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x20));
}

/// Keeps the lines, so that a test can look at what an operator would have been told.
class CollectingLog final : public Log {
  public:
    void write(LogLevel level, std::string_view message) noexcept override {
        const std::lock_guard lock(mutex_);
        if (level >= LogLevel::warning) problems_.emplace_back(message);
        lines_.emplace_back(message);
    }
    bool has(std::string_view part) const {
        for (const auto& line : lines_) {
            if (line.find(part) != std::string::npos) return true;
        }
        return false;
    }
    const std::vector<std::string>& problems() const { return problems_; }
    std::string all() const {
        std::string text;
        for (const auto& line : lines_) text += line + "\n";
        return text;
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
    std::vector<std::string> problems_;
};

/// The real steady clock, which the reactor's timers need, and leaps ahead at a test's wish.
class LeapingClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override {
        return stopped_at_.value_or(std::chrono::steady_clock::now()) + leap_;
    }
    WallTime wall_now() const noexcept override {
        return wall_stopped_at_.value_or(SystemClock().wall_now()) +
               std::chrono::floor<std::chrono::milliseconds>(leap_) + wall_leap_;
    }
    /// From now on time goes on by leaps alone. A wait then ends only where a leap ends it.
    void stop() {
        stopped_at_ = std::chrono::steady_clock::now();
        wall_stopped_at_ = SystemClock().wall_now();
    }
    void leap(std::chrono::milliseconds by) { leap_ += by; }
    void leap_wall(std::chrono::milliseconds by) { wall_leap_ += by; }

  private:
    std::chrono::steady_clock::duration leap_{};
    std::chrono::milliseconds wall_leap_{};
    std::optional<SteadyTime> stopped_at_;
    std::optional<WallTime> wall_stopped_at_;
};

/// A value that is the same one in forked children.
template <class Value>
class SharedPage {
  public:
    SharedPage()
        : value_(new (::mmap(nullptr, sizeof(Value), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Value) {}
    ~SharedPage() { ::munmap(value_, sizeof(Value)); }
    SharedPage(const SharedPage&) = delete;
    SharedPage& operator=(const SharedPage&) = delete;
    Value* operator->() const noexcept { return value_; }

  private:
    Value* const value_;
};

/// A disk that a test can make fail, hang, or stop for good at any step. It syncs nothing really:
/// no test cuts the power, and tests run sooner. What it decides holds in forked children too,
/// which count their own steps on.
class TestDisk : public Disk {
  public:
    enum Step : unsigned {
        creating = 1,
        renaming = 2,
        removing = 4,
        syncing_directory = 8,
        writing = 16,
        allocating = 32,
        truncating = 64,
        syncing = 128,
        any = 255,
    };

    /// Steps of these kinds fail with `error` and change nothing, until heal().
    void fail(unsigned steps, std::errc error) {
        shared_->error = static_cast<int>(error);
        shared_->failing = steps;
    }
    /// So do steps on paths that have `part` in their name.
    void fail_paths(std::string part) { failing_paths_ = std::move(part); }
    /// A write fails after its first `bytes` bytes; -1: none does.
    void write_short(int bytes) { shared_->short_bytes = bytes; }
    /// After `count` more steps nothing changes the disk any more, as if the process had died.
    void freeze_after(int count) { shared_->steps_left = count; }
    void freeze() { freeze_after(0); }
    void heal() {
        failing_paths_.clear();
        shared_->failing = 0;
        shared_->short_bytes = -1;
    }
    /// Called for each sync of this process, once it is counted, on the thread that wants it.
    std::function<void()> before_sync;

    int syncs() const { return shared_->syncs; }
    int writes() const { return shared_->writes; }
    bool frozen() const { return shared_->steps_left <= 0; }

    std::error_code create(const std::filesystem::path& path, UniqueFd& file) override {
        const auto error = step(creating, path);
        return error ? error : Disk::create(path, file);
    }
    std::error_code rename(const std::filesystem::path& from,
                           const std::filesystem::path& to) override {
        const auto error = step(renaming, to);
        return error ? error : Disk::rename(from, to);
    }
    std::error_code remove(const std::filesystem::path& path) override {
        const auto error = step(removing);
        return error ? error : Disk::remove(path);
    }
    std::error_code make_directory(const std::filesystem::path& path) override {
        const auto error = step(creating, path);
        return error ? error : Disk::make_directory(path);
    }
    std::error_code remove_directory(const std::filesystem::path& path) override {
        const auto error = step(removing);
        return error ? error : Disk::remove_directory(path);
    }
    std::error_code sync_directory(const std::filesystem::path& directory) override {
        (void)directory;
        return step(syncing_directory);
    }
    std::error_code write_at(int file, std::span<const std::byte> bytes,
                             std::uint64_t offset) noexcept override {
        ++shared_->writes;
        if (const auto error = step(writing)) return error;
        const int most = shared_->short_bytes;
        if (most < 0 || bytes.size() <= static_cast<std::size_t>(most)) {
            return Disk::write_at(file, bytes, offset);
        }
        (void)Disk::write_at(file, bytes.first(static_cast<std::size_t>(most)), offset);
        return std::make_error_code(std::errc::no_space_on_device);
    }
    std::error_code allocate(int file, std::uint64_t bytes) noexcept override {
        const auto error = step(allocating);
        return error ? error : Disk::allocate(file, bytes);
    }
    std::error_code truncate(int file, std::uint64_t bytes) noexcept override {
        const auto error = step(truncating);
        return error ? error : Disk::truncate(file, bytes);
    }
    std::error_code sync(int file) noexcept override {
        ++shared_->syncs;
        if (before_sync && ::getpid() == owner_) before_sync();
        (void)file;
        return step(syncing);
    }

  private:
    struct Shared {
        std::atomic<unsigned> failing = 0;
        std::atomic<int> error = 0;
        std::atomic<int> short_bytes = -1;
        std::atomic<int> steps_left = 1 << 30;
        std::atomic<int> syncs = 0;
        std::atomic<int> writes = 0;
    };
    std::error_code step(Step kind, const std::filesystem::path& path) {
        const auto error = step(kind);
        if (error || failing_paths_.empty()) return error;
        const bool fails = path.string().find(failing_paths_) != std::string::npos;
        return fails ? std::make_error_code(std::errc::io_error) : std::error_code();
    }
    std::error_code step(Step kind) noexcept {
        if (shared_->steps_left.fetch_sub(1) <= 0) {
            shared_->steps_left = 0;
            return std::make_error_code(std::errc::io_error);
        }
        if ((shared_->failing & kind) != 0) return {shared_->error, std::generic_category()};
        return {};
    }
    const pid_t owner_ = ::getpid();
    std::string failing_paths_;
    SharedPage<Shared> shared_;
};

using store_contract::one_parameter;
using store_contract::run_in_fiber;
using store_contract::test_number;

struct TestPool {
    std::string id;
    unsigned numbers = 10;
    std::chrono::seconds lifetime{1800};
    std::chrono::seconds cooldown{0};
    std::chrono::seconds max_hold{0};
};

/// Lays out the files of these pools, and of no others, whatever there was before; without any
/// pool, leaves all as it is. The store gives indices in the order of ids.
inline void write_pools(const std::filesystem::path& directory,
                        const std::vector<TestPool>& pools) {
    if (pools.empty()) return;
    Disk disk;
    std::filesystem::remove_all(directory / "pools");
    std::filesystem::create_directories(directory / "pools");
    const PoolFiles files(disk, directory / "pools");
    for (unsigned i = 0; i < pools.size(); ++i) {
        StoredPool pool;
        pool.definition = store_contract::test_definition(
            pools[i].id, {pools[i].lifetime, pools[i].cooldown, pools[i].max_hold});
        for (unsigned n = 0; n < pools[i].numbers; ++n) {
            pool.numbers.push_back({test_number(i, n), false});
        }
        if (auto saved = files.save(pool); !saved) throw std::runtime_error(saved.error().message);
    }
}

/// One life of a store, with a reactor of its own.
class TestStore {
  public:
    using Answers = std::vector<ringpool::Allocation>;

    TestStore(const std::filesystem::path& directory, std::vector<TestPool> pools,
              EmbeddedStoreOptions options = {}, Disk* disk = nullptr,
              LeapingClock* clock = nullptr, std::optional<BootTime> boot = {})
        : clock_(clock != nullptr ? *clock : own_clock_) {
        write_pools(directory, pools);
        options.directory = directory;
        take(EmbeddedStore::open(reactor_, catalog_, options, log_,
                                 disk != nullptr ? *disk : own_disk_,
                                 boot.value_or(BootTime::read())));
    }
    /// One of several in a data directory.
    TestStore(const ShardSeat& seat, const EmbeddedStoreOptions& options, Disk& disk,
              LeapingClock& clock)
        : clock_(clock) {
        take(EmbeddedStore::open(reactor_, catalog_, options, log_, disk, seat));
    }
    ~TestStore() {
        if (store_ && ran_ && !closed_) close();
    }

    /// Why it did not open.
    const std::optional<Error>& error() const { return error_; }
    EmbeddedStore& operator*() { return *store_; }
    EmbeddedStore* operator->() { return store_.get(); }
    runtime::Reactor& reactor() { return reactor_; }
    CollectingLog& log() { return log_; }
    LeapingClock& clock() { return clock_; }
    const ringpool::Catalog& catalog() const { return catalog_; }

    /// Runs `job` in a fiber, and the reactor until the job has ended.
    void run(std::function<void()> job) {
        ran_ = true;
        run_in_fiber(reactor_, job);
    }
    void close() {
        closed_ = true;
        run([&] { store_->close(); });
    }
    /// To be called in a fiber.
    void sleep(std::chrono::milliseconds time) {
        reactor_.scheduler().sleep_until(reactor_.scheduler().now() + time);
    }

    /// One request; in a fiber.
    ringpool::Allocation allocate_here(ringpool::PoolIndex pool, std::string_view session,
                                       std::string_view context = {}, Deadline deadline = {}) {
        const ringpool::AllocationRequest request{pool, {session, ringpool::Context(context)}};
        ringpool::Allocation answer;
        store_->allocate({&request, 1}, {&answer, 1}, deadline);
        return answer;
    }
    /// One request, in a fiber of its own.
    ringpool::Allocation allocate(ringpool::PoolIndex pool, std::string_view session,
                                  std::string_view context = {}) {
        ringpool::Allocation answer;
        run([&] { answer = allocate_here(pool, session, context); });
        return answer;
    }

  private:
    void take(Result<std::unique_ptr<EmbeddedStore>> opened) {
        if (opened) {
            store_ = *std::move(opened);
        } else {
            error_ = opened.error();
        }
    }

    LeapingClock own_clock_;
    LeapingClock& clock_;
    Disk own_disk_;
    CollectingLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, runtime::SchedulerLimits{}};
    ringpool::Catalog catalog_;
    std::unique_ptr<EmbeddedStore> store_;
    std::optional<Error> error_;
    bool ran_ = false;
    bool closed_ = false;
};

/// Slots as text, so that a difference can be read.
inline std::map<std::string, std::string> state_of(const EmbeddedStore& store, unsigned pools) {
    std::map<std::string, std::string> state;
    const auto ms = [](WallTime t) { return std::to_string(t.time_since_epoch().count()); };
    for (unsigned p = 0; p < pools; ++p) {
        if (!store.has_pool(p)) continue;
        const auto& pool = store.pool(p);
        for (ringpool::SlotIndex i = 0; i < pool.end_slot(); ++i) {
            const ringpool::Slot& slot = pool.slot(i);
            if (!slot.session) continue;
            state[pool.number(i).number.e164()] =
                std::to_string(slot.session.low) + "/" + std::to_string(slot.session.high) + " " +
                ms(slot.allocated_at) + " " + ms(slot.last_touch) + " " + ms(slot.expires_at) +
                " " + ms(slot.eligible_at) + " record " + std::to_string(slot.record) +
                " context " + std::to_string(slot.context);
        }
    }
    return state;
}

}  // namespace ringmaster::store::testing
