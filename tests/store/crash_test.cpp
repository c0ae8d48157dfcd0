/// What must survive: a crash at any step of anything the store does to the disk, kill -9 under
/// load, and, with Fsync::always, a power cut.

#include <csignal>
#include <map>
#include <memory>
#include <poll.h>
#include <random>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "store/power_cut_disk.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;

std::string visitor(unsigned i) {
    return "v-" + std::to_string(i);
}

/// Who was told of which number. Lifetimes are far longer than a test, so that none may ever
/// change.
class Acknowledged {
  public:
    void add(const std::string& session, std::uint64_t number) {
        const auto [of_session, first] = numbers_.emplace(session, number);
        ASSERT_EQ(of_session->second, number) << session << " got another number";
        const auto [of_number, first_too] = sessions_.emplace(number, session);
        ASSERT_EQ(of_number->second, session) << number << " is held twice";
    }
    void expect_in(TestStore& store) const {
        for (const auto& [session, number] : numbers_) {
            const Allocation answer = store.allocate(0, session);
            ASSERT_EQ(answer.outcome, Allocation::Outcome::allocated) << session;
            ASSERT_EQ(answer.number.digits(), number) << session;
        }
    }
    std::size_t size() const { return numbers_.size(); }

  private:
    std::map<std::string, std::uint64_t> numbers_;
    std::map<std::uint64_t, std::string> sessions_;
};

// Small files, so that a short run comes through many segments and snapshots.
EmbeddedStoreOptions small_files(Fsync fsync) {
    EmbeddedStoreOptions options;
    options.segment_bytes = 4096;
    options.snapshot_after_bytes = 6000;
    options.fsync = fsync;
    return options;
}
const std::vector<TestPool> kPool = {{"autos", 2000, std::chrono::hours(24)}};

class CrashTest : public ::testing::TestWithParam<Fsync> {};

std::string name_of(const ::testing::TestParamInfo<Fsync>& info) {
    switch (info.param) {
        case Fsync::always: return "always";
        case Fsync::everysec: return "everysec";
        case Fsync::never: return "never";
    }
    return "";
}
INSTANTIATE_TEST_SUITE_P(Fsync, CrashTest,
                         ::testing::Values(Fsync::always, Fsync::everysec, Fsync::never), name_of);

TEST_P(CrashTest, AtAnyStepLosesNothingThatWasAcknowledged) {
    const std::string context = one_parameter("gclid", std::string(600, 'x'));
    bool whole = false;
    for (int step = 0; !whole; ++step) {
        const TempDirectory directory;
        Acknowledged acknowledged;
        {
            TestDisk disk;
            disk.freeze_after(step);
            TestStore store(directory.path(), kPool, small_files(GetParam()), &disk);
            if (!store.error()) {
                for (unsigned i = 0; i < 14; ++i) {
                    const auto answer = store.allocate(0, visitor(i % 10), context);
                    if (answer.outcome != Allocation::Outcome::allocated) break;
                    acknowledged.add(visitor(i % 10), answer.number.digits());
                }
                store.close();
                whole = !disk.frozen();
            }
        }
        TestDisk disk;
        TestStore store(directory.path(), kPool, small_files(GetParam()), &disk);
        ASSERT_FALSE(store.error()) << "step " << step << ": " << store.error()->message;
        acknowledged.expect_in(store);
        if (HasFatalFailure()) FAIL() << "step " << step << "\n" << store.log().all();
    }
}

/// Eight fibers that ask without pause, and tell every answer on `pipe`. Does not return.
[[noreturn]] void serve_until_killed(const std::filesystem::path& directory, Fsync fsync,
                                     unsigned seed, int pipe) {
    EmbeddedStoreOptions options = small_files(fsync);
    options.segment_bytes = 64 << 10;
    options.snapshot_after_bytes = 100'000;
    TestStore store(directory, kPool, options);
    if (store.error()) {
        std::fprintf(stderr, "%s\n", store.error()->message.c_str());
        ::_exit(1);
    }
    store.run([&] {
        std::mt19937 random(seed);
        auto& scheduler = store.reactor().scheduler();
        for (int i = 0; i < 8; ++i) {
            scheduler.spawn("client", [&] {
                while (true) {
                    const auto session = static_cast<std::uint64_t>(random() % 1500);
                    const auto context = one_parameter("n", std::to_string(random() % 3));
                    const auto answer =
                        store.allocate_here(0, visitor(static_cast<unsigned>(session)), context);
                    if (answer.outcome != Allocation::Outcome::allocated) ::_exit(2);
                    const std::uint64_t line[2] = {session, answer.number.digits()};
                    if (::write(pipe, line, sizeof(line)) != sizeof(line)) ::_exit(3);
                }
            });
        }
        store.sleep(1h);
    });
    ::_exit(4);
}

void read_answers(int pipe, Acknowledged& acknowledged) {
    std::uint64_t line[2];
    while (::read(pipe, line, sizeof(line)) == sizeof(line)) {
        acknowledged.add(visitor(static_cast<unsigned>(line[0])), line[1]);
    }
}

TEST_P(CrashTest, KilledUnderLoadAgainAndAgainKeepsWhatItAcknowledged) {
    const TempDirectory directory;
    Acknowledged acknowledged;
    std::mt19937 random(5);
    for (unsigned round = 0; round < 15; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        if (child == 0) serve_until_killed(directory.path(), GetParam(), round, ends[1]);
        ::close(ends[1]);
        // From its first answer on, some time that differs.
        pollfd first{ends[0], POLLIN, 0};
        ASSERT_EQ(::poll(&first, 1, 20'000), 1);
        ::poll(nullptr, 0, static_cast<int>(random() % 60));
        ::kill(child, SIGKILL);
        read_answers(ends[0], acknowledged);
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
        ASSERT_FALSE(HasFatalFailure()) << "round " << round;
    }
    TestStore store(directory.path(), kPool, small_files(GetParam()));
    ASSERT_FALSE(store.error()) << store.error()->message;
    EXPECT_GT(acknowledged.size(), 100u);
    acknowledged.expect_in(store);
}

// With everysec and never some of the last allocations may be lost, but the next start must not
// take a power cut for damage, and never hand a number to two of those that are left.
TEST_P(CrashTest, APowerCutTakesNothingThatWasPromisedToSurviveIt) {
    const std::string context = one_parameter("gclid", std::string(200, 'x'));
    std::mt19937 random(3);
    for (int round = 0; round < 40; ++round) {
        const TempDirectory directory;
        Acknowledged acknowledged;
        PowerCutDisk disk;
        {
            TestStore store(directory.path(), kPool, small_files(GetParam()), &disk);
            ASSERT_FALSE(store.error());
            // Steps are counted after the first allocation: before that nothing is promised.
            disk.freeze_after(static_cast<int>(random() % 120));
            store.run([&] {
                std::size_t done = 0;
                for (unsigned fiber = 0; fiber < 6; ++fiber) {
                    store.reactor().scheduler().spawn("client", [&, fiber] {
                        for (unsigned i = 0; i < 10; ++i) {
                            const auto session = visitor(fiber * 7 + i % 7);
                            const auto answer = store.allocate_here(0, session, context);
                            if (answer.outcome != Allocation::Outcome::allocated) break;
                            acknowledged.add(session, answer.number.digits());
                        }
                        ++done;
                    });
                }
                while (done < 6) store.sleep(1ms);
            });
            disk.freeze();
        }
        disk.cut_power(random);
        TestStore store(directory.path(), kPool, small_files(GetParam()));
        ASSERT_FALSE(store.error()) << "round " << round << ": " << store.error()->message;
        if (GetParam() == Fsync::always) acknowledged.expect_in(store);
        ASSERT_FALSE(HasFatalFailure()) << "round " << round << "\n" << store.log().all();
    }
}

}  // namespace
}  // namespace ringmaster::store
