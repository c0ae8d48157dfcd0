#include "ringmaster/redis_store/number_record.hpp"

#include "little_endian.hpp"

namespace ringmaster::redis_store {

namespace {

constexpr std::uint64_t kDraining = 2;
constexpr std::uint64_t kErased = 8;
constexpr std::uint64_t kWentOn = 1;
constexpr std::uint64_t kPastErased = 128;

WallTime time_in(ByteReader& in) {
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(in.number(8))));
}

HolderRecord holder_in(ByteReader& in, bool erased) {
    HolderRecord holder;
    holder.erased = erased;
    ByteReader rest(in.rest());
    if (erased || rest.at_end()) return holder;
    const std::string_view word = rest.text(rest.number(4));
    if (!word.empty()) holder.session_id = word.substr(1);
    holder.context = rest.rest();
    return holder;
}

}  // namespace

std::optional<NumberRecord> NumberRecord::decode(std::string_view bytes) {
    ByteReader in(bytes);
    NumberRecord record;
    const std::uint64_t flags = in.number(1);
    record.draining = (flags & kDraining) != 0;
    for (WallTime* const time :
         {&record.allocated_at, &record.last_touch, &record.expires_at, &record.eligible_at}) {
        *time = time_in(in);
    }
    record.held_here = record.allocated_at != WallTime();
    in.number(8);  // the way to its past
    record.session = {in.number(8), in.number(8)};
    record.formatted = ringpool::FormattedNumber(in.text(in.number(1)));
    record.holder = holder_in(in, (flags & kErased) != 0);
    return in.complete() ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<PastRecord> PastRecord::decode(std::string_view bytes) {
    ByteReader in(bytes);
    PastRecord record;
    for (WallTime* const time : {&record.superseded_at, &record.allocated_at, &record.last_touch,
                                 &record.expires_at, &record.eligible_at}) {
        *time = time_in(in);
    }
    in.number(8);  // of the entry before
    const std::uint64_t kind = in.number(1);
    record.went_on = (kind & kWentOn) != 0;
    in.number(8);  // the number itself
    record.holder = holder_in(in, (kind & kPastErased) != 0);
    return in.complete() ? std::optional(std::move(record)) : std::nullopt;
}

std::string session_word(std::optional<std::string_view> id) {
    return id ? std::string("\1").append(*id) : std::string();
}

}  // namespace ringmaster::redis_store
