#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <string>
#include <string_view>

namespace ringmaster::redis_store {

/// What Redis keeps of a definition. All integers are little endian:
///
///   1 byte     version of this format: 1
///   3 x 4      lifetime, cooldown and max_hold, in seconds
///   1 byte     1 where overflow is allowed, else 0
///   8 bytes    digits of the overflow number; 0 = none
///   6 texts    2 bytes of length and the bytes: national form of the overflow number, id, name,
///   key,
///              tracking_url, default_region
///
/// and nothing behind that. Precondition: `definition` is valid.
std::string encode_definition(const ringpool::PoolDefinition& definition);

/// ErrorCode::damaged, with a text that goes on behind "the definition of pool X ", where that is
/// no valid definition of the pool with this id, or one in another version of the format.
Result<ringpool::PoolDefinition> decode_definition(std::string_view bytes, std::string_view id);

}  // namespace ringmaster::redis_store
