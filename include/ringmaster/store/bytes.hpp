#pragma once

#include "ringmaster/base/clock.hpp"

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// Little-endian integers in the store's files.
namespace ringmaster::store {

static_assert(std::endian::native == std::endian::little,
              "the files are little endian, and so far only machines that are, too, are served");

template <class T>
void store_at(std::byte* out, T value) noexcept {
    std::memcpy(out, &value, sizeof(value));
}
template <class T>
T load_at(const std::byte* in) noexcept {
    T value;
    std::memcpy(&value, in, sizeof(value));
    return value;
}
inline void store_time_at(std::byte* out, WallTime time) noexcept {
    store_at<std::int64_t>(out, time.time_since_epoch().count());
}
inline WallTime load_time_at(const std::byte* in) noexcept {
    return WallTime(std::chrono::milliseconds(load_at<std::int64_t>(in)));
}

}  // namespace ringmaster::store
