#pragma once

#include "ringmaster/runtime/task_times.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringmaster::runtime {

/// How long pieces of work took and where their time went, in fixed memory (28 KiB) for any number
/// of them: sums, by how long a piece took in all. So it can be told of the slowest percent what it
/// waited for, although nothing is kept of single pieces. Buckets are log-linear, as a Histogram's.
/// For one thread.
class TimeProfile {
  public:
    using Duration = TaskTimes::Duration;
    /// Durations of a bucket differ by less than this part of the least of them: 6.3 %.
    static constexpr unsigned kSteps = 16;

    struct Bucket {
        std::uint64_t count = 0;
        TaskTimes times;    ///< all together
        Duration queued{};  ///< before their begin, all together

        Bucket& operator+=(const Bucket& other) noexcept;
        Bucket& operator-=(const Bucket& other) noexcept;
        friend bool operator==(const Bucket&, const Bucket&) noexcept = default;
    };

  private:
    static constexpr unsigned kStepBits = 4;
    static_assert(kSteps == 1u << kStepBits);
    static constexpr unsigned kUnitBits = 6;   ///< what is shorter than 64 ns is not told apart
    static constexpr unsigned kMostBits = 37;  ///< nor what takes more than 137 s

  public:
    static constexpr std::size_t kBuckets = (kMostBits - kUnitBits - kStepBits + 1) * kSteps;

    /// O(1), and nothing is allocated. How long it took is the sum of all parts of `times`.
    void record(const TaskTimes& times, Duration queued) noexcept;

    const std::array<Bucket, kBuckets>& buckets() const noexcept { return buckets_; }
    /// Which of them counts what took so long.
    static std::size_t bucket_of(Duration all) noexcept;
    /// From when on one counts; the next one's is where it ends. For kBuckets it is the end of all.
    static Duration begin_of(std::size_t bucket) noexcept;

  private:
    std::array<Bucket, kBuckets> buckets_{};
};

}  // namespace ringmaster::runtime
