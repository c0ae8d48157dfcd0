#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/reply.hpp"

#include <optional>
#include <string_view>

namespace ringmaster::redis {

/// Reads the reply to SENTINEL GET-MASTER-ADDR-BY-NAME. ErrorCode::not_found where the sentinel
/// knows no primary of this name, ErrorCode::invalid where the reply is something else.
Result<ServerAddress> parse_master_address(const Reply& reply);

/// The new primary, from a message of the channel "+switch-master": "name old-host old-port
/// new-host new-port". Nothing where it is about another name, or is something else.
std::optional<ServerAddress> parse_switch_master(std::string_view message,
                                                 std::string_view master_name);

/// Whether this is what a primary answers to ROLE.
bool is_role_of_primary(const Reply& reply) noexcept;

}  // namespace ringmaster::redis
