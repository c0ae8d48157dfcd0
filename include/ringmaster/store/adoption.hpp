#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/journal_writer.hpp"
#include "ringmaster/store/neighbours.hpp"

#include <span>

namespace ringmaster::store {

/// Takes over numbers from other processes, with what was promised of them: before a pool here gets
/// a number, its last holder's time must be known here, and must be known after a crash, too.
class Adoption {
  public:
    /// All of it outlives this. Nothing is taken over once `gate` is closed.
    Adoption(runtime::Gate& gate, JournalWriter& journal, Holdings& holdings)
        : gate_(gate), journal_(journal), holdings_(holdings) {}

    /// Suspends. Of each number the newest that is known counts from now on (see is_newer()), be it
    /// in one of the pools here or in none. When it returns, that is on the disk, whatever is
    /// configured: so is the file that will name the number, and the promise may be older than what
    /// a power cut is allowed to take. ErrorCode::unavailable where it could not be written; some
    /// of it may count then all the same, which harms nobody.
    Result<void> adopt(std::span<const NumberKnowledge> known);

  private:
    void adopt_some(std::span<const NumberKnowledge> known);

    runtime::Gate& gate_;
    JournalWriter& journal_;
    Holdings& holdings_;
};

}  // namespace ringmaster::store
