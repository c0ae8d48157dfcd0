#include "ask_all.hpp"

#include <numeric>
#include <utility>

namespace ringmaster::shard {

std::vector<ShardIndex> all_of(std::size_t count) {
    std::vector<ShardIndex> shards(count);
    std::iota(shards.begin(), shards.end(), ShardIndex{0});
    return shards;
}

std::vector<ShardIndex> all_but(ShardIndex left_out, std::size_t count) {
    std::vector<ShardIndex> shards = all_of(count);
    std::erase(shards, left_out);
    return shards;
}

Error error_of(ShardIndex shard, const Error& error, std::string_view consequence) {
    std::string message = "shard " + std::to_string(shard);
    switch (error.code) {
        case ErrorCode::timeout: message += " does not answer in time"; break;
        case ErrorCode::closed: message += " is gone at the moment"; break;
        case ErrorCode::invalid:
        case ErrorCode::not_found:
        case ErrorCode::unavailable:
        case ErrorCode::damaged:
            message.append(": ").append(error.message);
            return {error.code, std::move(message)};
    }
    return {ErrorCode::unavailable, message.append(consequence)};
}

}  // namespace ringmaster::shard
