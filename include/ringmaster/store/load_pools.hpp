#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/neighbours.hpp"
#include "ringmaster/store/pool_files.hpp"

namespace ringmaster::store {

/// Puts what the files say into a catalog and holdings that are empty: the definitions of all
/// pools, and the numbers of those that are this process's own. ErrorCode::damaged where a number
/// is in two files or twice in one, or is some pool's overflow number, as far as own pools have it;
/// else as PoolFiles::load(). Blocks.
Result<void> load_pools(const PoolFiles& files, const Neighbours& neighbours,
                        ringpool::Catalog& catalog, Holdings& holdings);

}  // namespace ringmaster::store
