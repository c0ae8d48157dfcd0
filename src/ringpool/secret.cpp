#include "ringmaster/ringpool/secret.hpp"

#include <algorithm>
#include <cassert>

#include <sodium/utils.h>

namespace ringmaster::ringpool {

Secret::Secret(std::string_view text) noexcept : size_(text.size()) {
    assert(text.size() <= kMaxBytes);
    std::ranges::copy(text, bytes_.begin());
}

bool Secret::matches(std::string_view given) const noexcept {
    // The bytes past the secret are zero and take part in the comparison, so that how long it takes
    // depends on the given text alone.
    const std::size_t compared = std::min(given.size(), bytes_.size());
    const bool same_bytes = sodium_memcmp(bytes_.data(), given.data(), compared) == 0;
    const bool same_size = given.size() == size_;
    return static_cast<int>(same_bytes) & static_cast<int>(same_size);
}

}  // namespace ringmaster::ringpool
