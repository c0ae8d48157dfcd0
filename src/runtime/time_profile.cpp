#include "ringmaster/runtime/time_profile.hpp"

#include <algorithm>
#include <bit>

namespace ringmaster::runtime {

TimeProfile::Bucket& TimeProfile::Bucket::operator+=(const Bucket& other) noexcept {
    count += other.count;
    times += other.times;
    queued = saturating_sum(queued, other.queued);
    return *this;
}

TimeProfile::Bucket& TimeProfile::Bucket::operator-=(const Bucket& other) noexcept {
    count -= other.count;
    times -= other.times;
    queued -= other.queued;
    return *this;
}

void TimeProfile::record(const TaskTimes& times, Duration queued) noexcept {
    Bucket& bucket = buckets_[bucket_of(times.all())];
    ++bucket.count;
    bucket.times += times;
    bucket.queued = saturating_sum(bucket.queued, queued);
}

// In units: 2 x kSteps buckets of width 1, then kSteps of width 2, kSteps of width 4...
std::size_t TimeProfile::bucket_of(Duration all) noexcept {
    constexpr std::uint64_t kMost = (std::uint64_t{1} << (kMostBits - kUnitBits)) - 1;
    const auto ns = static_cast<std::uint64_t>(std::max(all, Duration::zero()).count());
    const std::uint64_t units = std::min(ns >> kUnitBits, kMost);
    const unsigned shift = static_cast<unsigned>(std::bit_width(units | kSteps)) - (kStepBits + 1);
    return shift * kSteps + static_cast<std::size_t>(units >> shift);
}

TimeProfile::Duration TimeProfile::begin_of(std::size_t bucket) noexcept {
    const std::size_t shift = bucket < 2 * kSteps ? 0 : bucket / kSteps - 1;
    const std::uint64_t units = std::uint64_t{bucket - shift * kSteps} << shift;
    return Duration(static_cast<Duration::rep>(units << kUnitBits));
}

}  // namespace ringmaster::runtime
