#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::redis_store {

/// Appends the 16 bytes by which Redis knows a session.
void append_session(std::string& out, const ringpool::SessionHash& session);

/// Appends what is told of a session: "Holder" in functions/common.lua; `keeps_context` as in
/// ringpool::AllocationRequest, and rm1_allocate.
void append_holder(std::string& out, const ringpool::Session& session, bool keeps_context);

/// What rm1_allocate says has become of one session.
struct AllocatedRow {
    enum class Outcome : char {
        new_hold = 'n',
        early_reissue = 'e',  ///< a new hold, too, see PoolCounters
        refreshed = 'r',
        capped = 'c',
        exhausted = 'x',  ///< nothing else is set
    };
    Outcome outcome = Outcome::exhausted;
    ringpool::PhoneNumber number;
    ringpool::FormattedNumber formatted;
    WallTime expires_at{};  ///< by the server's clock
};

/// Reads the answer of rm1_allocate, row after row; functions/allocate.lua says what is in it.
class AllocationAnswer {
  public:
    /// Nothing where the bytes are not an answer for so many rows, with numbers and times that can
    /// be. `bytes` must stay.
    static std::optional<AllocationAnswer> read(std::string_view bytes, std::size_t rows);

    std::uint64_t version() const noexcept { return version_; }
    /// By the server's clock.
    WallTime now() const noexcept { return now_; }
    /// Precondition: not called more often than there are rows.
    AllocatedRow next();

  private:
    AllocationAnswer() = default;
    bool is_good(const AllocatedRow& row) const noexcept;

    std::string_view rest_;
    bool complete_ = true;
    std::uint64_t version_ = 0;
    WallTime now_{};
};

}  // namespace ringmaster::redis_store
