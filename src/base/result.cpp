#include "ringmaster/base/result.hpp"

namespace ringmaster {

std::string_view to_string(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::timeout: return "timeout";
        case ErrorCode::closed: return "closed";
        case ErrorCode::invalid: return "invalid";
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::unavailable: return "unavailable";
        case ErrorCode::damaged: return "damaged";
    }
    return "unknown";
}

}  // namespace ringmaster
