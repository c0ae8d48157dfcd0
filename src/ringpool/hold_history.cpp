#include "ringmaster/ringpool/hold_history.hpp"

namespace ringmaster::ringpool {

Hold::State Hold::state_at(WallTime at) const noexcept {
    if (at < expires_at) return State::held;
    return at < free_at ? State::cooling : State::past;
}

std::string_view to_string(Hold::State state) noexcept {
    switch (state) {
        case Hold::State::held: return "held";
        case Hold::State::cooling: return "cooling";
        case Hold::State::past: break;
    }
    return "past";
}

}  // namespace ringmaster::ringpool
