#include "ringmaster/base/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ringmaster {

// The highest kStepBits + 1 bits tell the bucket within a power of two, and how many bits are below
// them tells the power: 2 x kSteps buckets of width 1, then kSteps of width 2, kSteps of width 4...
std::size_t Histogram::bucket_of(std::uint64_t ns) noexcept {
    const auto bits = static_cast<unsigned>(std::bit_width(ns | kSteps));
    const unsigned shift = bits - (kStepBits + 1);
    return shift * kSteps + static_cast<std::size_t>(ns >> shift);
}

std::uint64_t Histogram::longest_in(std::size_t bucket) noexcept {
    if (bucket < 2 * kSteps) return bucket;
    const std::size_t shift = bucket / kSteps - 1;
    return ((bucket - shift * kSteps + 1) << shift) - 1;
}

void Histogram::record(Duration duration) noexcept {
    duration = std::max(duration, Duration::zero());
    ++buckets_[bucket_of(static_cast<std::uint64_t>(duration.count()))];
    ++count_;
    sum_ += duration;
    max_ = std::max(max_, duration);
}

Histogram::Duration Histogram::quantile(double q) const noexcept {
    if (count_ == 0) return Duration::zero();
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    const std::uint64_t wanted = std::clamp<std::uint64_t>(rank, 1, count_);
    std::uint64_t counted = 0;
    std::size_t bucket = 0;
    while ((counted += buckets_[bucket]) < wanted) ++bucket;
    return std::min(max_, Duration(longest_in(bucket)));
}

void Histogram::count_up_to(std::span<const Duration> bounds,
                            std::span<std::uint64_t> counts) const noexcept {
    std::uint64_t so_far = 0;
    std::size_t bucket = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const auto bound = static_cast<std::uint64_t>(bounds[i].count());
        while (bucket < kBuckets && longest_in(bucket) <= bound) so_far += buckets_[bucket++];
        counts[i] = so_far;
    }
}

void Histogram::merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

void Histogram::clear() noexcept {
    buckets_.fill(0);
    count_ = 0;
    sum_ = max_ = Duration(0);
}

}  // namespace ringmaster
