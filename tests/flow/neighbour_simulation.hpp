#pragma once

#include "ringmaster/flow/ease_in_gate.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::flow {

/// How the neighbour is from a time on.
struct Phase {
    std::chrono::milliseconds from{0};
    double speed = 1;         ///< 0: hangs, and goes on later where it stood still
    std::size_t servers = 8;  ///< calls that it works at side by side; others queue
    bool dead = false;        ///< fails all calls at once
};

struct Scenario {
    std::string_view name;
    std::vector<Phase> phases;  ///< in order of time; before the first all is well
    std::chrono::milliseconds length;
};

/// What became of the calls that arrived within a tenth of a second.
struct Slice {
    static constexpr std::chrono::milliseconds kLength{100};

    std::uint32_t real = 0;     ///< answers of the neighbour
    std::uint32_t refused = 0;  ///< overflow at once
    std::uint32_t in_vain = 0;  ///< overflow, as the neighbour failed or did not answer in time
    SteadyTime::duration longest_wait{0};
    // Of all gates together, at its end:
    std::uint32_t window = 0;
    std::uint32_t healthy = 0;  ///< gates that are
    std::uint64_t trips = 0;    ///< since the beginning
    std::uint64_t failed_probes = 0;
};

/// A neighbour that is a queue with servers, callers that arrive at random (Poisson) and give up at
/// the deadline, and their gates. Time is simulated in steps of 0.1 ms; a seed gives the same run
/// each time.
class NeighbourSimulation {
  public:
    struct Options {
        std::size_t gates = 1;  ///< callers' processes, each with a gate of its own
        double calls_per_second = 500;
        /// Of an exponential distribution: at speed 1, eight servers are a quarter busy.
        std::chrono::duration<double> mean_service = std::chrono::milliseconds(4);
        EaseInGateOptions gate;
    };

    NeighbourSimulation(const Options& options, std::uint32_t seed)
        : options_(options), random_(seed) {
        for (std::size_t i = 0; i < options.gates; ++i) {
            gates_.push_back(std::make_unique<EaseInGate>(options.gate, seed + 1000 * i));
        }
    }

    std::vector<Slice> run(const Scenario& scenario) {
        slices_.assign(static_cast<std::size_t>(scenario.length / Slice::kLength), {});
        std::exponential_distribution<double> pause(options_.calls_per_second);
        auto phase = scenario.phases.begin();
        SteadyTime next_arrival = kStart;
        for (now_ = kStart; now_ < kStart + scenario.length; now_ += kStep) {
            for (; phase != scenario.phases.end() && now_ >= kStart + phase->from; ++phase) {
                state_ = *phase;
            }
            work();
            give_up();
            while (next_arrival <= now_) {
                arrive();
                next_arrival += std::chrono::duration_cast<SteadyTime::duration>(
                    std::chrono::duration<double>(pause(random_)));
            }
            if ((now_ + kStep - kStart) % Slice::kLength == SteadyTime::duration(0)) close_slice();
        }
        return std::move(slices_);
    }

  private:
    static constexpr SteadyTime kStart{std::chrono::hours(1)};
    static constexpr std::chrono::microseconds kStep{100};

    struct Call {
        Call(EaseInGate& gate, SteadyTime now, std::chrono::duration<double> service)
            : permit(gate.try_enter(now)), began(now), work_left(service) {}
        std::optional<EaseInGate::Permit> permit;  ///< gone when the caller is
        SteadyTime began;
        std::chrono::duration<double> work_left;
    };

    Slice& slice_of(SteadyTime time) {
        return slices_[static_cast<std::size_t>((time - kStart) / Slice::kLength)];
    }

    void end(Call& call, bool answered) {
        Slice& slice = slice_of(call.began);
        ++(answered ? slice.real : slice.in_vain);
        slice.longest_wait = std::max(slice.longest_wait, now_ - call.began);
        if (answered) {
            call.permit->succeeded(now_);
        } else {
            call.permit->failed(now_);
        }
        call.permit.reset();
    }

    /// Whoever came first is in work; work for callers who have gone is done too.
    void work() {
        auto call = calls_.begin();
        for (std::size_t busy = 0; busy < state_.servers && call != calls_.end(); ++busy) {
            call->work_left -= state_.speed * std::chrono::duration<double>(kStep);
            if (call->work_left.count() > 0 && !state_.dead) {
                ++call;
                continue;
            }
            if (call->permit) end(*call, !state_.dead);
            call = calls_.erase(call);
        }
    }

    void give_up() {
        for (Call& call : calls_) {
            if (call.permit && now_ - call.began >= options_.gate.deadline) end(call, false);
        }
    }

    void arrive() {
        std::uniform_int_distribution<std::size_t> which(0, gates_.size() - 1);
        std::exponential_distribution<double> service(1 / options_.mean_service.count());
        calls_.emplace_back(*gates_[which(random_)], now_,
                            std::chrono::duration<double>(service(random_)));
        if (calls_.back().permit) return;
        calls_.pop_back();
        ++slice_of(now_).refused;
    }

    void close_slice() {
        Slice& slice = slice_of(now_);
        for (const auto& gate : gates_) {
            const auto stats = gate->stats();
            slice.window += stats.window;
            slice.healthy += stats.state == EaseInGate::State::healthy;
            slice.trips += stats.trips;
            slice.failed_probes += stats.failed_probes;
        }
    }

    const Options options_;
    std::mt19937_64 random_;
    std::vector<std::unique_ptr<EaseInGate>> gates_;
    Phase state_{};
    std::list<Call> calls_;  ///< in order of their beginning
    std::vector<Slice> slices_;
    SteadyTime now_{};
};

/// All is well for five seconds, then something is not for ten, and then all is well again.
inline Scenario disturbed(std::string_view name, Phase phase) {
    using namespace std::chrono_literals;
    phase.from = 5s;
    return {name, {phase, {15s}}, 60s};
}

/// It hangs for a second, every other second, for 40 s.
inline Scenario flapping() {
    using namespace std::chrono_literals;
    Scenario flap{"flaps", {}, 90s};
    for (auto from = 5s; from < 45s; from += 2s) {
        flap.phases.push_back({from, 0});
        flap.phases.push_back({from + 1s});
    }
    return flap;
}

/// It is gone for 150 ms, as a process is that crashed and was started again.
inline Scenario restarting() {
    using namespace std::chrono_literals;
    return {"restarts", {{.from = 5s, .dead = true}, {5150ms}}, 20s};
}

inline std::vector<Scenario> scenarios() {
    return {
        disturbed("steady", {}),
        disturbed("slow-2x", {.speed = 0.5}),
        disturbed("slow-10x", {.speed = 0.1}),
        disturbed("slow-100x", {.speed = 0.01}),
        disturbed("hangs", {.speed = 0}),
        disturbed("dies", {.dead = true}),
        disturbed("one-server", {.servers = 1}),
        restarting(),
        flapping(),
    };
}

}  // namespace ringmaster::flow
