#include "ringmaster/shard/peer_messages.hpp"

#include "ringmaster/store/bytes.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

namespace ringmaster::shard {

using ringpool::Context;
using ringpool::FormattedNumber;
using ringpool::PhoneNumber;

namespace {

// ---------------------------------------------------------------------------------------------
// Which members each value has, in order: once, for writing and for reading.

template <class T, class Plain>
concept Of = std::same_as<std::remove_const_t<T>, Plain>;

void members(auto& archive, Of<ringpool::PoolNumber> auto& v) {
    archive(v.number, v.formatted);
}
void members(auto& archive, Of<ringpool::PoolDefinition> auto& v) {
    archive(v.id, v.name, v.key, v.lifetime, v.cooldown, v.max_hold, v.allow_overflow, v.overflow,
            v.tracking_url, v.default_region);
}
void members(auto& archive, Of<ringpool::NumbersEdit> auto& v) {
    archive(v.add, v.remove);
}
void members(auto& archive, Of<ringpool::NumbersChange::Refusal> auto& v) {
    archive(v.number, v.reason);
}
void members(auto& archive, Of<ringpool::NumbersChange> auto& v) {
    archive(v.added, v.removed, v.draining, v.refused);
}
void members(auto& archive, Of<ringpool::NumberState> auto& v) {
    archive(v.number, v.state, v.draining, v.free_at);
}
void members(auto& archive, Of<ringpool::NumberPage> auto& v) {
    archive(v.numbers, v.next);
}
void members(auto& archive, Of<ringpool::PoolCounters> auto& v) {
    archive(v.allocations, v.new_holds, v.releases, v.overflows, v.early_reissues, v.extended_ms);
}
void members(auto& archive, Of<ringpool::PoolFigures> auto& v) {
    archive(v.numbers, v.held, v.cooling, v.free, v.draining, v.counters);
}
void members(auto& archive, Of<ringpool::Hold> auto& v) {
    archive(v.detail, v.pool_id, v.session_id, v.context, v.allocated_at, v.last_touch,
            v.expires_at, v.free_at);
}
void members(auto& archive, Of<HoldersFound> auto& v) {
    archive(v.holds, v.in_pool);
}
void members(auto& archive, Of<ringpool::SessionHash> auto& v) {
    archive(v.low, v.high);
}
void members(auto& archive, Of<ringpool::Slot> auto& v) {
    archive(v.session, v.allocated_at, v.last_touch, v.expires_at, v.eligible_at, v.record,
            v.context, v.draining);
}
void members(auto& archive, Of<ops::DemandHour> auto& v) {
    archive(v.hour, v.observed_ms, v.allocations, v.new_holds, v.exhausted, v.early_reissues,
            v.extended_ms);
}
void members(auto& archive, Of<store::NumberKnowledge> auto& v) {
    archive(v.number, v.pool, v.draining, v.has_left, v.slot);
}

void members(auto& archive, Of<ringpool::EventPosition> auto& v) {
    archive(v.journal, v.number);
}
void members(auto& archive, Of<ringpool::Event> auto& v) {
    archive(v.type, v.position, v.time, v.pool_id, v.number, v.session_id, v.context, v.erased,
            v.expires_at, v.reason, v.lost, v.count);
}
void members(auto& archive, Of<ringpool::EventQuery> auto& v) {
    archive(v.after, v.types, v.patience);
}
void members(auto& archive, Of<ringpool::EventBatch> auto& v) {
    archive(v.events, v.next, v.complete);
}

void members(auto& archive, Of<ReleaseCall> auto& v) {
    archive(v.pool_id, v.number, v.session_id, v.context);
}
void members(auto& archive, Of<HoldersCall> auto& v) {
    archive(v.number, v.at, v.max);
}
void members(auto& archive, Of<EraseCall> auto& v) {
    archive(v.session_id);
}
void members(auto& archive, Of<PutPoolCall> auto& v) {
    archive(v.definition);
}
void members(auto& archive, Of<RemovePoolCall> auto& v) {
    archive(v.pool_id);
}
void members(auto& archive, Of<EditNumbersCall> auto& v) {
    archive(v.pool_id, v.edit);
}
void members(auto& archive, Of<SetNumbersCall> auto& v) {
    archive(v.pool_id, v.wanted);
}
void members(auto& archive, Of<NumbersCall> auto& v) {
    archive(v.pool_id, v.from, v.max);
}
void members(auto& archive, Of<FiguresCall> auto& v) {
    archive(v.pool_id);
}
void members(auto& archive, Of<OverflowCountsCall> auto& v) {
    archive(v.pool_id);
}
void members(auto& archive, Of<LookUpCall> auto& v) {
    archive(v.numbers);
}
void members(auto& archive, Of<SweepCall> auto& v) {
    archive(v.pool_id);
}
void members(auto& archive, Of<ReportCall> auto&) {
    archive();
}
void members(auto& archive, Of<ProfileCall> auto&) {
    archive();
}
void members(auto& archive, Of<EventsCall> auto& v) {
    archive(v.query);
}
void members(auto& archive, Of<DemandCall> auto& v) {
    archive(v.pool_id);
}

constexpr auto last_of(ringpool::Hold::Detail) {
    return ringpool::Hold::Detail::lost;
}
constexpr auto last_of(ringpool::NumberState::State) {
    return ringpool::NumberState::State::cooling;
}

constexpr auto last_of(ringpool::EventType) {
    return ringpool::EventType::lost;
}
constexpr auto last_of(ringpool::OverflowReason) {
    return ringpool::OverflowReason::store_unavailable;
}

/// No element of a list takes less: each has a number, or texts and times.
constexpr std::size_t kLeastElementBytes = 8;

// ---------------------------------------------------------------------------------------------
// How a member is written, and read

class Writer {
  public:
    explicit Writer(std::string& out) noexcept : out_(out) {}

    template <class... T>
    void operator()(const T&... values) {
        (put(values), ...);
    }

  private:
    template <class T>
    void put(const T& value) {
        if constexpr (std::integral<T>) {
            std::byte bytes[sizeof value];
            store::store_at(bytes, value);
            out_.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
        } else if constexpr (std::is_enum_v<T>) {
            put(static_cast<std::uint8_t>(value));
        } else {
            members(*this, value);
        }
    }
    void put(std::string_view text) {
        put(static_cast<std::uint32_t>(text.size()));
        out_ += text;
    }
    void put(const std::string& text) { put(std::string_view(text)); }
    void put(PhoneNumber number) { put(number.digits()); }
    void put(const FormattedNumber& formatted) { put(formatted.view()); }
    void put(Context context) { put(context.bytes()); }
    void put(WallTime time) { put(std::int64_t{time.time_since_epoch().count()}); }
    void put(std::chrono::seconds time) { put(std::int64_t{time.count()}); }
    void put(std::chrono::milliseconds time) { put(std::int64_t{time.count()}); }
    void put(ringpool::EventTypes types) { put(types.bits()); }
    template <class T>
    void put(const std::optional<T>& value) {
        put(value.has_value());
        if (value) put(*value);
    }
    template <class T>
    void put(const std::vector<T>& list) {
        put(static_cast<std::uint32_t>(list.size()));
        for (const T& element : list) put(element);
    }
    template <std::size_t N>
    void put(const std::array<std::uint64_t, N>& values) {
        for (const std::uint64_t value : values) put(value);
    }

    std::string& out_;
};

/// Once anything was missing or wrong, all that is read is nothing.
class Reader {
  public:
    explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}

    template <class... T>
    void operator()(T&... values) {
        (get(values), ...);
    }
    /// Whether all was right, and nothing is left.
    bool is_done() const noexcept { return !failed_ && rest_.empty(); }

  private:
    void check(bool right) noexcept {
        if (right) return;
        failed_ = true;
        rest_ = {};
    }
    std::string_view take(std::size_t bytes) noexcept {
        check(bytes <= rest_.size());
        const std::string_view taken = rest_.substr(0, bytes);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::size_t take_length() {
        std::uint32_t length = 0;
        get(length);
        return length;
    }

    template <class T>
    void get(T& value) {
        if constexpr (std::same_as<T, bool>) {
            std::uint8_t byte = 0;
            get(byte);
            check(byte <= 1);
            value = byte == 1;
        } else if constexpr (std::integral<T>) {
            const std::string_view bytes = take(sizeof value);
            if (failed_) return;
            value = store::load_at<T>(reinterpret_cast<const std::byte*>(bytes.data()));
        } else if constexpr (std::is_enum_v<T>) {
            std::uint8_t byte = 0;
            get(byte);
            check(byte <= static_cast<std::uint8_t>(last_of(T{})));
            if (!failed_) value = static_cast<T>(byte);
        } else {
            members(*this, value);
        }
    }
    void get(std::string_view& text) { text = take(take_length()); }
    void get(std::string& text) { text = take(take_length()); }
    void get(PhoneNumber& number) {
        std::uint64_t digits = 0;
        get(digits);
        number = PhoneNumber::from_digits(digits);
    }
    void get(FormattedNumber& formatted) {
        const std::string_view text = take(take_length());
        check(text.size() <= FormattedNumber::kCapacity);
        formatted = FormattedNumber(text);
    }
    void get(Context& context) {
        const std::string_view bytes = take(take_length());
        check(Context::is_canonical(bytes));
        if (!failed_) context = Context(bytes);
    }
    void get(WallTime& time) {
        std::int64_t ms = 0;
        get(ms);
        time = WallTime(std::chrono::milliseconds(ms));
        check(is_reasonable(time));
    }
    void get(std::chrono::seconds& time) {
        std::int64_t seconds = 0;
        get(seconds);
        time = std::chrono::seconds(seconds);
    }
    void get(std::chrono::milliseconds& time) {
        std::int64_t ms = 0;
        get(ms);
        // What nobody means would overflow when it is reckoned with.
        check(ms >= 0 && ms <= std::numeric_limits<std::int32_t>::max());
        time = std::chrono::milliseconds(failed_ ? 0 : ms);
    }
    void get(ringpool::EventTypes& types) {
        std::uint8_t bits = 0;
        get(bits);
        types = ringpool::EventTypes::from_bits(bits);
        check(types.bits() == bits);
    }
    template <class T>
    void get(std::optional<T>& value) {
        bool there = false;
        get(there);
        if (there) get(value.emplace());
    }
    template <class T>
    void get(std::vector<T>& list) {
        const std::size_t size = take_length();
        // So a length that is a lie reserves no more than the frame justifies.
        check(size <= rest_.size() / kLeastElementBytes);
        if (failed_) return;
        list.reserve(size);
        for (std::size_t i = 0; i < size && !failed_; ++i) get(list.emplace_back());
    }
    template <std::size_t N>
    void get(std::array<std::uint64_t, N>& values) {
        for (std::uint64_t& value : values) get(value);
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace

template <class T>
void append_value(std::string& out, const T& value) {
    Writer write(out);
    write(value);
}

template <class T>
std::optional<T> decode_value(std::string_view payload) {
    Reader read(payload);
    T value{};
    read(value);
    if (!read.is_done()) return std::nullopt;
    return value;
}

#define RINGMASTER_VALUE(T)                             \
    template void append_value(std::string&, const T&); \
    template std::optional<T> decode_value(std::string_view);
RINGMASTER_VALUE(ReleaseCall)
RINGMASTER_VALUE(HoldersCall)
RINGMASTER_VALUE(EraseCall)
RINGMASTER_VALUE(PutPoolCall)
RINGMASTER_VALUE(RemovePoolCall)
RINGMASTER_VALUE(EditNumbersCall)
RINGMASTER_VALUE(SetNumbersCall)
RINGMASTER_VALUE(NumbersCall)
RINGMASTER_VALUE(FiguresCall)
RINGMASTER_VALUE(OverflowCountsCall)
RINGMASTER_VALUE(LookUpCall)
RINGMASTER_VALUE(SweepCall)
RINGMASTER_VALUE(ReportCall)
RINGMASTER_VALUE(ProfileCall)
RINGMASTER_VALUE(EventsCall)
RINGMASTER_VALUE(DemandCall)
RINGMASTER_VALUE(HoldersFound)
RINGMASTER_VALUE(std::size_t)
RINGMASTER_VALUE(bool)
RINGMASTER_VALUE(ringpool::NumbersChange)
RINGMASTER_VALUE(ringpool::NumberPage)
RINGMASTER_VALUE(ringpool::PoolFigures)
RINGMASTER_VALUE(OverflowCounts)
RINGMASTER_VALUE(std::vector<store::NumberKnowledge>)
RINGMASTER_VALUE(std::string)
RINGMASTER_VALUE(ringpool::EventBatch)
RINGMASTER_VALUE(std::vector<ops::DemandHour>)
#undef RINGMASTER_VALUE

}  // namespace ringmaster::shard
