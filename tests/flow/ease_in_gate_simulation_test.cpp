// How a gate and its callers fare with a neighbour that slows down, hangs, dies, flaps and comes
// back. bench/gate prints the same runs, to plot them.

#include <cstdint>
#include <span>
#include <string>

#include "flow/neighbour_simulation.hpp"
#include <gtest/gtest.h>

namespace ringmaster::flow {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint32_t kSeeds = 4;
#else
constexpr std::uint32_t kSeeds = 20;
#endif
constexpr milliseconds kBegin = 5s;  // of what disturbed() does
constexpr milliseconds kEnd = 15s;

struct History {
    std::uint32_t seed;
    std::size_t gates;
    std::vector<Slice> slices;
    milliseconds deadline;

    /// Of the calls that arrived from `from` to `to`.
    Slice total(milliseconds from, milliseconds to) const {
        Slice total;
        const auto index = [](milliseconds time) {
            return static_cast<std::size_t>(time / Slice::kLength);
        };
        for (const Slice& slice : std::span(slices).subspan(index(from), index(to) - index(from))) {
            total.real += slice.real;
            total.refused += slice.refused;
            total.in_vain += slice.in_vain;
            total.longest_wait = std::max(total.longest_wait, slice.longest_wait);
        }
        return total;
    }
    const Slice& at(milliseconds time) const {
        return slices[static_cast<std::size_t>(time / Slice::kLength) - 1];
    }
    milliseconds length() const {
        return milliseconds(Slice::kLength) * static_cast<std::int64_t>(slices.size());
    }
};

double real_share(const Slice& slice) {
    return static_cast<double>(slice.real) / (slice.real + slice.refused + slice.in_vain);
}

/// Runs the scenario with many seeds, with one caller and with four at once.
template <class Check>
void simulate(std::string_view name, Check check) {
    for (const Scenario& scenario : scenarios()) {
        if (scenario.name != name) continue;
        for (const std::size_t gates : {1u, 4u}) {
            for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
                SCOPED_TRACE(std::string(name) + " seed " + std::to_string(seed) + ", gates " +
                             std::to_string(gates));
                NeighbourSimulation::Options options;
                options.gates = gates;
                NeighbourSimulation simulation(options, seed);
                const History run{seed, gates, simulation.run(scenario), options.gate.deadline};
                // Whatever happens, nobody waits for longer than the deadline.
                EXPECT_LE(run.total(0ms, run.length()).longest_wait, run.deadline);
                check(run);
            }
        }
        return;
    }
    FAIL() << "there is no scenario " << name;
}

/// All gates are healthy again at `by`, and nobody is refused from then on.
void expect_recovery(const History& run, milliseconds end, milliseconds by) {
    EXPECT_EQ(run.at(run.length()).trips, run.at(end + 200ms).trips) << "a relapse";
    EXPECT_EQ(run.at(by).healthy, run.gates);
    const Slice after = run.total(by, run.length());
    EXPECT_EQ(after.refused, 0u);
    EXPECT_GT(real_share(after), 0.999);
}

/// The sum of the first cool-downs is longer than a disturbance of 10 s, and the one that its end
/// finds under way is of 16 s at the most; then there are ten intervals to ease in.
constexpr milliseconds kRecovered = kEnd + 16s + 2s;

TEST(EaseInGateSimulation, NothingIsRefusedWhileAllIsWell) {
    simulate("steady", [](const History& run) {
        const Slice all = run.total(0ms, run.length());
        EXPECT_EQ(all.refused, 0u);
        EXPECT_GT(real_share(all), 0.9999);
    });
}

TEST(EaseInGateSimulation, TwiceAsSlowIsNoReasonToRefuse) {
    simulate("slow-2x", [](const History& run) {
        EXPECT_EQ(run.at(run.length()).trips, 0u);
        EXPECT_GT(real_share(run.total(kBegin, kEnd)), 0.99);
    });
}

/// Ten times as slow, it answers single calls in time, but has less than half the capacity that is
/// asked of it. It is tried every time a cool-down is over.
TEST(EaseInGateSimulation, TenTimesAsSlowMakesFewWait) {
    simulate("slow-10x", [](const History& run) {
        const Slice slow = run.total(kBegin + 500ms, kEnd);
        const std::uint32_t waited = slow.real + slow.in_vain;
        EXPECT_LT(waited, (waited + slow.refused) / 10);
        expect_recovery(run, kEnd, kRecovered);
    });
}

TEST(EaseInGateSimulation, NobodyButProbesWaitsForASilentOne) {
    for (const char* name : {"slow-100x", "hangs"}) {
        simulate(name, [&](const History& run) {
            // Gates that are asked rarely have their first call beyond the deadline later.
            const milliseconds tripped = kBegin + 300ms;
            EXPECT_EQ(run.at(tripped).trips, run.gates);
            const Slice silent = run.total(tripped, kEnd);
            const auto probes = run.at(kEnd).failed_probes - run.at(kBegin).failed_probes;
            if (std::string_view(name) == "hangs") {
                EXPECT_LE(silent.real + silent.in_vain, probes);
            }
            EXPECT_LE(probes, 7 * run.gates);  // cool-downs of at least 125 ms, 250 ms...
            EXPECT_LT(silent.real + silent.in_vain, silent.refused / 50);
            expect_recovery(run, kEnd, kRecovered);
        });
    }
}

TEST(EaseInGateSimulation, ADeadOneCostsNoWaiting) {
    simulate("dies", [](const History& run) {
        EXPECT_LT(run.total(kBegin + 100ms, kEnd).longest_wait, 1ms);
        EXPECT_EQ(run.at(kBegin + 1s).trips, run.gates);
        expect_recovery(run, kEnd, kRecovered);
    });
}

TEST(EaseInGateSimulation, ARestartIsOverInASecond) {
    simulate("restarts",
             [](const History& run) { expect_recovery(run, kBegin + 150ms, kBegin + 2s); });
}

/// One server of eight is left, which can do half of what is asked. The window finds a size.
TEST(EaseInGateSimulation, OfLessCapacityMostIsUsed) {
    simulate("one-server", [](const History& run) {
        const Slice less = run.total(kBegin, kEnd);
        EXPECT_GT(less.real, 10 * 250 * 6 / 10);
        EXPECT_LT(less.in_vain, less.real / 10);
        expect_recovery(run, kEnd, kRecovered);
    });
}

TEST(EaseInGateSimulation, FlappingDoesNotEndInMoreThanTheLongestCooldown) {
    simulate("flaps", [](const History& run) {
        const milliseconds end = 44s;  // when it came back for good
        expect_recovery(run, end, end + 30s + 2s);
        // In the end it is hardly tried any more: few wait in vain.
        const Slice flapping = run.total(kBegin + 10s, end);
        EXPECT_LT(flapping.in_vain, (flapping.real + flapping.refused + flapping.in_vain) / 50);
    });
}

TEST(EaseInGateSimulation, GatesOfOneNeighbourDoNotComeBackTogether) {
    std::uint32_t together = 0;
    simulate("hangs", [&](const History& run) {
        if (run.gates == 1) return;
        for (std::size_t i = 1; i < run.slices.size(); ++i) {
            together += run.slices[i].healthy - run.slices[i - 1].healthy == run.gates;
        }
    });
    EXPECT_LE(together, kSeeds / 10);
}

TEST(EaseInGateSimulation, ASeedGivesTheSameRun) {
    const auto scenario = flapping();
    const auto one = NeighbourSimulation({}, 5).run(scenario);
    const auto other = NeighbourSimulation({}, 5).run(scenario);
    ASSERT_EQ(one.size(), other.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
        ASSERT_EQ(one[i].real, other[i].real);
        ASSERT_EQ(one[i].window, other[i].window);
    }
}

}  // namespace
}  // namespace ringmaster::flow
