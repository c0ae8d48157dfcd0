#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ringmaster {

/// How many durations were how long, in fixed memory (15 KiB) for any of them: buckets grow with
/// what they count, kSteps to each power of two (log-linear, after Gil Tene's HdrHistogram). So all
/// quantiles have the same relative error. For one thread.
class Histogram {
  public:
    using Duration = std::chrono::nanoseconds;
    /// A bucket's durations differ by less than this part of the least of them: 3.2 %.
    static constexpr unsigned kSteps = 32;

    /// O(1), and nothing is allocated. A negative duration counts as none.
    void record(Duration duration) noexcept;

    std::uint64_t count() const noexcept { return count_; }
    /// Must stay below 292 years.
    Duration sum() const noexcept { return sum_; }
    /// The longest, exactly; none where nothing was recorded.
    Duration max() const noexcept { return max_; }
    /// Of all durations in order of length, the one of rank ceil(q x count), for `q` from 0 to 1:
    /// never told too short, and too long by at most 1/kSteps of itself. None where nothing was
    /// recorded.
    Duration quantile(double q) const noexcept;

    /// counts[i] becomes how many durations were at most bounds[i]; those that share a bucket with
    /// a longer one may count as longer, by at most 1/kSteps. The bounds ascend, and there are as
    /// many counts.
    void count_up_to(std::span<const Duration> bounds,
                     std::span<std::uint64_t> counts) const noexcept;

    /// Adds what `other` has counted.
    void merge(const Histogram& other) noexcept;
    /// Forgets all. To assign an empty one would need all its memory on the stack.
    void clear() noexcept;

  private:
    static constexpr unsigned kStepBits = 5;
    static_assert(kSteps == 1u << kStepBits);
    // Durations below 2 x kSteps have a bucket each; there are 63 bits without the sign.
    static constexpr std::size_t kBuckets = (63 - kStepBits + 1) * kSteps;

    static std::size_t bucket_of(std::uint64_t ns) noexcept;
    static std::uint64_t longest_in(std::size_t bucket) noexcept;

    std::array<std::uint64_t, kBuckets> buckets_{};
    std::uint64_t count_ = 0;
    Duration sum_{0};
    Duration max_{0};
};

}  // namespace ringmaster
