#include "ringmaster/redis_store/definition_format.hpp"

#include <cstdint>
#include <utility>

#include "little_endian.hpp"

namespace ringmaster::redis_store {

using ringpool::FormattedNumber;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;

namespace {

constexpr std::uint64_t kVersion = 1;

Error damaged(const char* what) {
    return {ErrorCode::damaged, what};
}

}  // namespace

std::string encode_definition(const PoolDefinition& definition) {
    std::string bytes;
    append_number(bytes, kVersion, 1);
    for (const auto time : {definition.lifetime, definition.cooldown, definition.max_hold}) {
        append_number(bytes, static_cast<std::uint64_t>(time.count()), 4);
    }
    append_number(bytes, definition.allow_overflow ? 1 : 0, 1);
    append_number(bytes, definition.overflow.number.digits(), 8);
    for (const std::string_view text :
         {definition.overflow.formatted.view(), std::string_view(definition.id),
          std::string_view(definition.name), std::string_view(definition.key),
          std::string_view(definition.tracking_url), std::string_view(definition.default_region)}) {
        append_number(bytes, text.size(), 2);
        bytes.append(text);
    }
    return bytes;
}

Result<PoolDefinition> decode_definition(std::string_view bytes, std::string_view id) {
    ByteReader in(bytes);
    if (in.number(1) != kVersion) {
        return damaged("has a version of the format that this program does not know");
    }
    PoolDefinition pool;
    for (std::chrono::seconds* const time : {&pool.lifetime, &pool.cooldown, &pool.max_hold}) {
        *time = std::chrono::seconds(in.number(4));
    }
    pool.allow_overflow = in.number(1) != 0;
    pool.overflow.number = PhoneNumber::from_digits(in.number(8));
    pool.overflow.formatted = FormattedNumber(in.text(in.number(2)));
    for (std::string* const text :
         {&pool.id, &pool.name, &pool.key, &pool.tracking_url, &pool.default_region}) {
        *text = in.text(in.number(2));
    }
    if (!in.at_end()) return damaged("has no sense");
    if (pool.id != id) return damaged("is that of another pool");
    if (auto valid = pool.validate(); !valid) {
        return Error{ErrorCode::damaged, "breaks a rule: " + valid.error().message};
    }
    return pool;
}

}  // namespace ringmaster::redis_store
