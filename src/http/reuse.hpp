#pragma once

#include <cstddef>

namespace ringmaster::http {

/// Empties a string or vector that will be used again. It keeps its memory if that fits into the
/// budget, which is then less by so much.
template <class Container>
void clear_within(Container& container, std::size_t& budget_bytes) noexcept {
    container.clear();
    const std::size_t held = container.capacity() * sizeof(typename Container::value_type);
    if (held > budget_bytes) {
        Container().swap(container);
    } else {
        budget_bytes -= held;
    }
}

}  // namespace ringmaster::http
