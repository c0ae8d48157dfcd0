#include "ringmaster/store/journal_format.hpp"

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ringmaster::store {

namespace {

constexpr std::array<char, 8> kMagic = {'R', 'M', 'J', 'O', 'U', 'R', 'N', '\n'};
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kOldestVersion = 2;
constexpr std::uint8_t kHasSessionId = 1;
constexpr std::uint8_t kContinuation = 2;
constexpr std::uint8_t kErased = 4;

// Where what stands in a hold record.
constexpr std::size_t kPrevious = 24;
constexpr std::size_t kFirstField = 32;
constexpr std::size_t kSecondField = 40;
constexpr std::size_t kSession = 48;
constexpr std::size_t kPoolIdLength = 64;
constexpr std::size_t kFlags = 65;
constexpr std::size_t kSessionIdLength = 66;

std::uint32_t reckon_crc(const std::byte* record, std::size_t bytes, std::uint32_t offset,
                         std::uint32_t salt) noexcept {
    return crc32c({record + 4, bytes - 4}, salt ^ offset);
}

// Where what stands in an adopt record.
constexpr std::size_t kAdoptAllocatedAt = 24;
constexpr std::size_t kAdoptRecord = 32;
constexpr std::size_t kAdoptSession = 40;
constexpr std::size_t kAdoptContext = 56;

// The payload stands at place.out + 8 already.
std::size_t finish_record(RecordPlace place, RecordType type, std::size_t payload_bytes) noexcept {
    assert(payload_bytes <= kMaxPayloadBytes);
    const std::size_t bytes = record_bytes(payload_bytes);
    std::memset(place.out + kRecordHeaderBytes + payload_bytes, 0,
                bytes - kRecordHeaderBytes - payload_bytes);
    store_at(place.out + 4,
             static_cast<std::uint32_t>(payload_bytes) | static_cast<std::uint32_t>(type) << 24);
    store_at(place.out, reckon_crc(place.out, bytes, place.offset, place.salt));
    return bytes;
}

std::uint32_t difference(WallTime later, WallTime earlier) noexcept {
    const auto ms = (later - earlier).count();
    assert(ms >= 0 && ms <= std::int64_t{UINT32_MAX});
    return static_cast<std::uint32_t>(ms);
}

void put_times(std::byte* out, const HoldTimes& times) noexcept {
    store_time_at(out, times.last_touch);
    store_at(out + 8, difference(times.expires_at, times.last_touch));
    store_at(out + 12, difference(times.eligible_at, times.expires_at));
}

// Nothing where the times are past all that can be reckoned with.
std::optional<HoldTimes> get_times(const std::byte* in) noexcept {
    constexpr std::chrono::milliseconds kMostDifferences{std::int64_t{2} * UINT32_MAX};
    HoldTimes times;
    times.last_touch = load_time_at(in);
    if (times.last_touch > WallTime::max() - kMostDifferences) return std::nullopt;
    times.expires_at = times.last_touch + std::chrono::milliseconds(load_at<std::uint32_t>(in + 8));
    times.eligible_at =
        times.expires_at + std::chrono::milliseconds(load_at<std::uint32_t>(in + 12));
    return times;
}

void put_times_record(std::byte* out, ringpool::PhoneNumber number,
                      const HoldTimes& times) noexcept {
    store_at(out, number.digits());
    put_times(out + 8, times);
}

std::optional<TimesRecord> get_times_record(const std::byte* in) noexcept {
    const auto times = get_times(in + 8);
    if (!times) return std::nullopt;
    return TimesRecord{ringpool::PhoneNumber::from_digits(load_at<std::uint64_t>(in)), *times};
}

std::byte* put_text(std::byte* out, std::string_view text) noexcept {
    // An empty view may have no address, and memcpy wants one all the same.
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

}  // namespace

void SegmentHeader::encode(std::span<std::byte, kBytes> out) const noexcept {
    std::byte* const at = out.data();
    std::memcpy(at, kMagic.data(), kMagic.size());
    store_at(at + 8, kVersion);
    store_at(at + 12, segment);
    store_at(at + 16, salt);
    store_time_at(at + 20, anchor.hold_time);
    store_at<std::int64_t>(at + 28, anchor.since_boot.count());
    std::memcpy(at + 36, anchor.boot_id.data(), anchor.boot_id.size());
    store_at(at + 52, durable_before);
    store_at(at + 60, crc32c({at, 60}));
}

Result<SegmentHeader> SegmentHeader::decode(std::span<const std::byte> bytes) {
    const auto damaged = [](const char* what) { return Error{ErrorCode::damaged, what}; };
    if (bytes.size() < kBytes) return damaged("is too short for the header of a journal segment");
    const std::byte* const at = bytes.data();
    if (std::memcmp(at, kMagic.data(), kMagic.size()) != 0) {
        return damaged("does not begin like a journal segment");
    }
    if (load_at<std::uint32_t>(at + 60) != crc32c({at, 60})) {
        return damaged("has a header whose checksum does not match");
    }
    const auto version = load_at<std::uint32_t>(at + 8);
    if (version < kOldestVersion || version > kVersion) {
        return damaged("has a version of the format that this program does not know");
    }
    SegmentHeader header;
    header.segment = load_at<std::uint32_t>(at + 12);
    header.salt = load_at<std::uint32_t>(at + 16);
    header.anchor.hold_time = load_time_at(at + 20);
    header.anchor.since_boot = std::chrono::milliseconds(load_at<std::int64_t>(at + 28));
    std::memcpy(header.anchor.boot_id.data(), at + 36, header.anchor.boot_id.size());
    header.durable_before = load_at<std::uint64_t>(at + 52);
    return header;
}

std::optional<TimesRecord> TimesRecord::decode(std::span<const std::byte> payload) noexcept {
    if (payload.size() != kPayloadBytes) return std::nullopt;
    return get_times_record(payload.data());
}

std::optional<HoldRecord> HoldRecord::decode(std::span<const std::byte> payload) noexcept {
    if (payload.size() < kFixedBytes) return std::nullopt;
    const std::byte* const at = payload.data();
    const auto times = get_times_record(at);
    if (!times) return std::nullopt;
    HoldRecord record;
    record.number = times->number;
    record.times = times->times;
    record.previous = load_at<std::uint64_t>(at + kPrevious);
    record.session = {load_at<std::uint64_t>(at + kSession),
                      load_at<std::uint64_t>(at + kSession + 8)};
    const std::size_t pool_bytes = load_at<std::uint8_t>(at + kPoolIdLength);
    const auto flags = load_at<std::uint8_t>(at + kFlags);
    const std::size_t session_bytes = load_at<std::uint16_t>(at + kSessionIdLength);
    if (kFixedBytes + pool_bytes + session_bytes > payload.size()) return std::nullopt;
    record.continuation = (flags & kContinuation) != 0;
    record.erased = (flags & kErased) != 0;
    if (record.continuation) {
        record.allocated_at = load_time_at(at + kFirstField);
        record.since = load_time_at(at + kSecondField);
    } else {
        record.allocated_at = record.since = record.times.last_touch;
        const auto previous_end = get_times(at + kFirstField);
        if (!previous_end) return std::nullopt;
        record.previous_end = *previous_end;
    }
    const std::string_view texts(reinterpret_cast<const char*>(at + kFixedBytes),
                                 payload.size() - kFixedBytes);
    record.pool_id = texts.substr(0, pool_bytes);
    if (record.erased) return record;
    if ((flags & kHasSessionId) != 0) record.session_id = texts.substr(pool_bytes, session_bytes);
    record.context = texts.substr(pool_bytes + session_bytes);
    return record;
}

std::optional<AdoptRecord> AdoptRecord::decode(std::span<const std::byte> payload) noexcept {
    if (payload.size() != kPayloadBytes) return std::nullopt;
    const std::byte* const at = payload.data();
    const auto times = get_times_record(at);
    if (!times) return std::nullopt;
    AdoptRecord record;
    record.number = times->number;
    ringpool::Slot& slot = record.slot;
    set_times(slot, times->times);
    slot.allocated_at = load_time_at(at + kAdoptAllocatedAt);
    slot.record = load_at<RecordLink>(at + kAdoptRecord);
    slot.session = {load_at<std::uint64_t>(at + kAdoptSession),
                    load_at<std::uint64_t>(at + kAdoptSession + 8)};
    slot.context = load_at<std::uint32_t>(at + kAdoptContext);
    return record;
}

std::size_t encode_hold(RecordPlace place, const HoldRecord& record) noexcept {
    assert(record.pool_id.size() <= 255 && record.session_id.value_or("").size() <= 65535);
    assert(!record.erased);
    std::byte* const at = place.out + kRecordHeaderBytes;
    const std::string_view session_id = record.session_id.value_or("");
    put_times_record(at, record.number, record.times);
    store_at(at + kPrevious, record.previous);
    if (record.continuation) {
        store_time_at(at + kFirstField, record.allocated_at);
        store_time_at(at + kSecondField, record.since);
    } else {
        assert(record.allocated_at == record.times.last_touch);
        assert(record.since == record.times.last_touch);
        put_times(at + kFirstField, record.previous_end);
    }
    store_at(at + kSession, record.session.low);
    store_at(at + kSession + 8, record.session.high);
    store_at(at + kPoolIdLength, static_cast<std::uint8_t>(record.pool_id.size()));
    store_at(at + kFlags, static_cast<std::uint8_t>((record.session_id ? kHasSessionId : 0) |
                                                    (record.continuation ? kContinuation : 0)));
    store_at(at + kSessionIdLength, static_cast<std::uint16_t>(session_id.size()));
    std::byte* text = put_text(at + HoldRecord::kFixedBytes, record.pool_id);
    text = put_text(text, session_id);
    put_text(text, record.context);
    return finish_record(place, RecordType::hold, record.payload_bytes());
}

std::size_t encode_times(RecordPlace place, RecordType type, const TimesRecord& record) noexcept {
    assert(type == RecordType::touch || type == RecordType::release);
    put_times_record(place.out + kRecordHeaderBytes, record.number, record.times);
    return finish_record(place, type, TimesRecord::kPayloadBytes);
}

std::size_t encode_sync(RecordPlace place, JournalPosition durable_before) noexcept {
    store_at(place.out + kRecordHeaderBytes, durable_before);
    return finish_record(place, RecordType::sync, sizeof(durable_before));
}

std::size_t encode_seal(RecordPlace place) noexcept {
    return finish_record(place, RecordType::seal, 0);
}

std::size_t encode_gap(RecordPlace place, JournalPosition trusted_before) noexcept {
    store_at(place.out + kRecordHeaderBytes, trusted_before);
    return finish_record(place, RecordType::gap, sizeof(trusted_before));
}

std::size_t encode_adopt(RecordPlace place, const AdoptRecord& record) noexcept {
    std::byte* const at = place.out + kRecordHeaderBytes;
    const ringpool::Slot& slot = record.slot;
    put_times_record(at, record.number, times_of(slot));
    store_time_at(at + kAdoptAllocatedAt, slot.allocated_at);
    store_at(at + kAdoptRecord, slot.record);
    store_at(at + kAdoptSession, slot.session.low);
    store_at(at + kAdoptSession + 8, slot.session.high);
    store_at(at + kAdoptContext, slot.context);
    store_at(at + kAdoptContext + 4, std::uint32_t{0});
    return finish_record(place, RecordType::adopt, AdoptRecord::kPayloadBytes);
}

std::size_t claimed_record_bytes(std::span<const std::byte> begin) noexcept {
    return record_bytes(load_at<std::uint32_t>(begin.data() + 4) & kMaxPayloadBytes);
}

std::optional<std::uint32_t> erase_hold(RecordPlace place, std::size_t bytes) noexcept {
    constexpr auto kHold = static_cast<std::uint32_t>(RecordType::hold);
    if (bytes < record_bytes(HoldRecord::kFixedBytes)) return std::nullopt;
    const auto word = load_at<std::uint32_t>(place.out + 4);
    const std::size_t payload_bytes = word & kMaxPayloadBytes;
    if (word >> 24 != kHold || record_bytes(payload_bytes) != bytes) return std::nullopt;
    std::byte* const at = place.out + kRecordHeaderBytes;
    const std::size_t keep = HoldRecord::kFixedBytes + load_at<std::uint8_t>(at + kPoolIdLength);
    if (keep + load_at<std::uint16_t>(at + kSessionIdLength) > payload_bytes) return std::nullopt;
    at[kFlags] |= std::byte{kErased};
    std::memset(at + keep, 0, payload_bytes - keep);
    finish_record(place, RecordType::hold, payload_bytes);
    return load_at<std::uint32_t>(place.out);
}

RecordView read_record(std::span<const std::byte> rest, std::uint32_t offset,
                       std::uint32_t salt) noexcept {
    RecordView view;
    if (rest.size() < kRecordHeaderBytes) {
        const bool zeros = std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{}; });
        view.kind = zeros ? RecordView::Kind::end : RecordView::Kind::invalid;
        return view;
    }
    if (load_at<std::uint64_t>(rest.data()) == 0) return view;
    view.kind = RecordView::Kind::invalid;
    const auto word = load_at<std::uint32_t>(rest.data() + 4);
    const std::size_t payload_bytes = word & kMaxPayloadBytes;
    const std::size_t bytes = record_bytes(payload_bytes);
    const auto type = word >> 24;
    if (type < 1 || type >= kRecordTypes || bytes > rest.size()) return view;
    if (load_at<std::uint32_t>(rest.data()) != reckon_crc(rest.data(), bytes, offset, salt)) {
        return view;
    }
    view.kind = RecordView::Kind::record;
    view.type = static_cast<RecordType>(type);
    view.bytes = static_cast<std::uint32_t>(bytes);
    view.payload = rest.subspan(kRecordHeaderBytes, payload_bytes);
    return view;
}

std::optional<JournalPosition> decode_position(std::span<const std::byte> payload) noexcept {
    if (payload.size() != sizeof(JournalPosition)) return std::nullopt;
    return load_at<JournalPosition>(payload.data());
}

JournalPosition find_durable_claim(std::span<const std::byte> rest, std::uint32_t offset,
                                   std::uint32_t salt) noexcept {
    constexpr auto kWord = std::uint32_t{8} | static_cast<std::uint32_t>(RecordType::sync) << 24;
    JournalPosition claim = 0;
    for (; rest.size() >= kSyncRecordBytes; rest = rest.subspan(8), offset += 8) {
        if (load_at<std::uint32_t>(rest.data() + 4) != kWord) continue;
        const RecordView view = read_record(rest, offset, salt);
        if (view.kind != RecordView::Kind::record) continue;
        claim = std::max(claim, decode_position(view.payload).value_or(0));
    }
    return claim;
}

}  // namespace ringmaster::store
