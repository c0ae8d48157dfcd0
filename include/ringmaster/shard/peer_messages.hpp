#pragma once

#include "ringmaster/shard/peer_format.hpp"
#include "ringmaster/shard/shard.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// The calls between shards but `allocate`, each with the type of its answer. Texts are views: of
/// the caller's while it writes them, of the payload where they are read.
///
/// A value's members stand one behind the other: integers in as many bytes as their types have,
/// enumerations and bool u8, times and durations i64, texts and lists behind their length u32, what
/// is optional behind a bool that says whether it is there.
namespace ringmaster::shard {

struct ReleaseCall {
    static constexpr CallType kType = CallType::release;
    using Answer = void;
    std::string_view pool_id;
    ringpool::PhoneNumber number;
    std::optional<std::string_view> session_id;
    ringpool::Context context;
};
struct HoldersCall {
    static constexpr CallType kType = CallType::holders;
    using Answer = HoldersFound;
    ringpool::PhoneNumber number;
    std::optional<WallTime> at;
    std::uint64_t max = 0;
};
struct EraseCall {
    static constexpr CallType kType = CallType::erase;
    using Answer = std::size_t;
    std::string_view session_id;
};
struct PutPoolCall {
    static constexpr CallType kType = CallType::put_pool;
    using Answer = bool;
    ringpool::PoolDefinition definition;
};
struct RemovePoolCall {
    static constexpr CallType kType = CallType::remove_pool;
    using Answer = void;
    std::string_view pool_id;
};
struct EditNumbersCall {
    static constexpr CallType kType = CallType::edit_numbers;
    using Answer = ringpool::NumbersChange;
    std::string_view pool_id;
    ringpool::NumbersEdit edit;
};
struct SetNumbersCall {
    static constexpr CallType kType = CallType::set_numbers;
    using Answer = ringpool::NumbersChange;
    std::string_view pool_id;
    std::vector<ringpool::PoolNumber> wanted;
};
struct NumbersCall {
    static constexpr CallType kType = CallType::numbers;
    using Answer = ringpool::NumberPage;
    std::string_view pool_id;
    std::uint64_t from = 0;
    std::uint64_t max = 0;
};
struct FiguresCall {
    static constexpr CallType kType = CallType::figures;
    using Answer = ringpool::PoolFigures;
    std::string_view pool_id;
};
struct OverflowCountsCall {
    static constexpr CallType kType = CallType::overflow_counts;
    using Answer = OverflowCounts;
    std::string_view pool_id;
};
struct LookUpCall {
    static constexpr CallType kType = CallType::look_up;
    using Answer = std::vector<store::NumberKnowledge>;
    std::vector<ringpool::PhoneNumber> numbers;
};
struct SweepCall {
    static constexpr CallType kType = CallType::sweep;
    using Answer = void;
    std::string_view pool_id;
};
struct ReportCall {
    static constexpr CallType kType = CallType::report;
    using Answer = std::string;
};
struct ProfileCall {
    static constexpr CallType kType = CallType::profile;
    using Answer = std::string;
};
struct DemandCall {
    static constexpr CallType kType = CallType::demand;
    using Answer = std::vector<ops::DemandHour>;
    std::string_view pool_id;
};

struct EventsCall {
    static constexpr CallType kType = CallType::events;
    using Answer = ringpool::EventBatch;
    ringpool::EventQuery query;
};

/// Appends a call of these, or an answer's value.
template <class T>
void append_value(std::string& out, const T& value);
/// Nothing where the payload is not exactly one such value.
template <class T>
std::optional<T> decode_value(std::string_view payload);

/// Appends the payload of an answer to such a call.
template <class T>
void append_answer(std::string& out, const Result<T>& answer) {
    if (!answer) return append_error(out, answer.error());
    if constexpr (!std::is_void_v<T>) append_value(out, *answer);
}
/// Nothing where the payload is none.
template <class T>
std::optional<Result<T>> decode_answer(const FrameHead& head, std::string_view payload) {
    std::optional<Result<T>> answer;
    if (head.failed) {
        answer.emplace(decode_error(payload));
    } else if constexpr (std::is_void_v<T>) {
        if (payload.empty()) answer.emplace();
    } else {
        auto value = decode_value<T>(payload);
        if (value) answer.emplace(*std::move(value));
    }
    return answer;
}

}  // namespace ringmaster::shard
