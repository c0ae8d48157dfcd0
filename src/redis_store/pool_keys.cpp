#include "ringmaster/redis_store/pool_keys.hpp"

namespace ringmaster::redis_store {

PoolKeys::PoolKeys(std::string_view prefix, std::string_view pool_id) {
    const std::string begin = std::string(prefix) + ":{" + std::string(pool_id) + "}:";
    meta = begin + "meta";
    queue = begin + "queue";
    sessions = begin + "sessions";
    numbers = begin + "numbers";
    members = begin + "members";
    past = begin + "past";
}

RegistryKeys::RegistryKeys(std::string_view prefix) {
    const std::string begin = std::string(prefix) + ":{*}:";
    info = begin + "info";
    pools = begin + "pools";
    numbers = begin + "numbers";
    overflow = begin + "overflow";
    channel = begin + "catalog";
}

}  // namespace ringmaster::redis_store
