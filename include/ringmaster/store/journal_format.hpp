#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/slot.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// The journal's format, version 3; version 2, which is still read, had no adopt records. Integers
/// are little endian; times are milliseconds of the store's own clock (HoldClock).
///
/// A *stream* is the journal of one shard: a sequence of segments, files of a fixed size that are
/// named by consecutive ids. An id is the number of the stream << 20 | a sequence number from 1 on,
/// so that no two segments of a data directory have one id, however many shards it has or had. A
/// position is segment id << 32 | offset: within a stream positions grow as the journal does, and
/// of positions in different streams none is the later one.
///
/// A segment is a header of 64 bytes and then records, each at a multiple of 8:
///
///     0  crc      u32  CRC-32C of the rest, padding included, begun with the segment's salt ^
///                      offset
///     4  length   u24  of the payload, without the zeros that pad it to a multiple of 8
///     7  type     u8   RecordType
///     8  payload
///
/// The salt is drawn at random for each segment: bytes are a record only in the segment and at the
/// offset for which they were written, whatever a client may have put into a context. Eight zero
/// bytes are the end of what has been written so far. A segment that was left in good order ends
/// with a `seal`.
namespace ringmaster::store {

using JournalPosition = std::uint64_t;

constexpr JournalPosition position_at(std::uint32_t segment, std::uint32_t offset) noexcept {
    return JournalPosition{segment} << 32 | offset;
}
constexpr std::uint32_t segment_of(JournalPosition position) noexcept {
    return static_cast<std::uint32_t>(position >> 32);
}
constexpr std::uint32_t offset_of(JournalPosition position) noexcept {
    return static_cast<std::uint32_t>(position);
}

inline constexpr std::uint32_t kMaxStreams = 1u << 12;
inline constexpr std::uint32_t kMaxSequence = (1u << 20) - 1;
constexpr std::uint32_t first_segment(std::uint32_t stream) noexcept {
    return stream << 20 | 1;
}
/// 0 is no segment's: it is what comes behind the last one that a stream can have.
constexpr std::uint32_t sequence_of(std::uint32_t segment) noexcept {
    return segment & kMaxSequence;
}
constexpr std::uint32_t stream_of_segment(std::uint32_t segment) noexcept {
    return segment >> 20;
}
constexpr std::uint32_t stream_of(JournalPosition position) noexcept {
    return stream_of_segment(segment_of(position));
}

/// A link from one hold record to the number's record before it, and from a slot to its latest,
/// each perhaps in another stream: a position, or 0 where there is none, and in two of the bits
/// that a position leaves free what a failed disk or an erasure made of the record. Either bit says
/// that the hold which goes on now, if any does, had better be recorded anew.
using RecordLink = std::uint64_t;
/// The hold that came last has no record: it never reached the disk. The record linked to is of a
/// hold before that one.
inline constexpr RecordLink kUnrecorded = 1;
/// The record is the right one, but it was erased, or may never have reached the disk.
inline constexpr RecordLink kDoubtful = 2;
constexpr JournalPosition position_of(RecordLink link) noexcept {
    return link & ~RecordLink{7};
}
constexpr bool is_good(RecordLink link) noexcept {
    return link != 0 && position_of(link) == link;
}

/// A point of the hold clock, tied to the kernel's clock since boot (CLOCK_BOOTTIME) so that a
/// process that is started later in the same boot knows how much time has passed between.
struct TimeAnchor {
    WallTime hold_time{};
    std::chrono::milliseconds since_boot{};
    std::array<std::uint8_t, 16> boot_id{};
    friend bool operator==(const TimeAnchor&, const TimeAnchor&) noexcept = default;
};

/// The first 64 bytes of a segment. They are on the disk before the file has its name.
struct SegmentHeader {
    static constexpr std::size_t kBytes = 64;
    std::uint32_t segment = 0;
    std::uint32_t salt = 0;
    TimeAnchor anchor;                   ///< when the segment was laid out; it is begun no earlier
    JournalPosition durable_before = 0;  ///< everything in front was on the disk at that time

    void encode(std::span<std::byte, kBytes> out) const noexcept;
    /// ErrorCode::damaged, with what is wrong.
    static Result<SegmentHeader> decode(std::span<const std::byte> bytes);
};

enum class RecordType : std::uint8_t {
    hold = 1,     ///< a hold begins, or goes on with another context: HoldRecord
    touch = 2,    ///< the hold goes on: TimesRecord
    release = 3,  ///< the hold was given back: TimesRecord
    sync = 4,     ///< everything in front of a position is on the disk: the position, u64
    seal = 5,     ///< the segment ends here, in good order; the next one goes on. No payload
    /// After a failure of the disk the journal goes on here, behind a snapshot: from a position on,
    /// u64, nothing in front of this record is to be trusted. First of its segment, if at all.
    gap = 6,
    adopt = 7,  ///< a number came from another stream, with what was promised of it: AdoptRecord
};
inline constexpr std::size_t kRecordTypes = 8;  ///< one more than the highest

inline constexpr std::size_t kRecordHeaderBytes = 8;
inline constexpr std::size_t kMaxPayloadBytes = (1u << 24) - 1;

/// The times of a slot that move while a hold goes on. The ends are stored as differences, which a
/// pool's rules keep under 31 days.
struct HoldTimes {
    WallTime last_touch{};
    WallTime expires_at{};
    WallTime eligible_at{};
};

inline HoldTimes times_of(const ringpool::Slot& slot) noexcept {
    return {slot.last_touch, slot.expires_at, slot.eligible_at};
}
inline void set_times(ringpool::Slot& slot, const HoldTimes& times) noexcept {
    slot.last_touch = times.last_touch;
    slot.expires_at = times.expires_at;
    slot.eligible_at = times.eligible_at;
}

/// touch and release: all that changes in the slot.
///     0 number u64, 8 last_touch i64, 16 expires_at - last_touch u32, 20 eligible_at - expires_at
///     u32
struct TimesRecord {
    static constexpr std::size_t kPayloadBytes = 24;
    ringpool::PhoneNumber number;
    HoldTimes times;

    static std::optional<TimesRecord> decode(std::span<const std::byte> payload) noexcept;
};

/// hold: everything about it, what a later call is attributed to included.
///     0 a TimesRecord, 24 previous u64, then two fields of 8 bytes, see below, 48 session hash 16
///     bytes, 64 pool id length u8, 65 flags u8, 66 session id length u16, 68 pool id, session id,
///     context (the rest)
///
/// The record with which a hold begins is written when that is touched first; its two fields tell
/// how the number's previous hold ended: 32 last_touch i64, 40 expires_at - last_touch u32, 44
/// eligible_at - expires_at u32. The record of a hold that goes on has 32 allocated_at i64, 40
/// since i64.
struct HoldRecord {
    static constexpr std::size_t kFixedBytes = 68;
    ringpool::PhoneNumber number;
    HoldTimes times;
    WallTime allocated_at{};
    WallTime since{};         ///< when this was written: from then on it is the hold's context
    RecordLink previous = 0;  ///< the number's hold record before this one; 0 = none known
    HoldTimes previous_end;   ///< of the previous hold; zero: unknown, or there was none
    ringpool::SessionHash session;
    bool continuation = false;  ///< the same hold, with another context
    bool erased = false;        ///< session id and context were overwritten with zeros
    std::string_view pool_id;   ///< at most 255 bytes
    /// Nothing: the context is the session. At most 65535 bytes.
    std::optional<std::string_view> session_id;
    std::string_view context;  ///< canonical, see ringpool::Context

    std::size_t payload_bytes() const noexcept {
        return kFixedBytes + pool_id.size() + session_id.value_or("").size() + context.size();
    }
    /// The texts are views of `payload`; those that were erased are empty.
    static std::optional<HoldRecord> decode(std::span<const std::byte> payload) noexcept;
};

/// adopt: the whole slot of a number, as another shard knew it. What was known of the number here
/// no longer counts.
///     0 a TimesRecord, 24 allocated_at i64, 32 record u64, 40 session hash 16 bytes, 56 checksum
///     of the context u32, 60 zero u32
struct AdoptRecord {
    static constexpr std::size_t kPayloadBytes = 64;
    ringpool::PhoneNumber number;
    ringpool::Slot slot;  ///< but for `draining`

    static std::optional<AdoptRecord> decode(std::span<const std::byte> payload) noexcept;
};

/// What a record with this payload takes in a segment.
constexpr std::size_t record_bytes(std::size_t payload_bytes) noexcept {
    return kRecordHeaderBytes + ((payload_bytes + 7) & ~std::size_t{7});
}
inline constexpr std::size_t kTimesRecordBytes = record_bytes(TimesRecord::kPayloadBytes);
inline constexpr std::size_t kSyncRecordBytes = record_bytes(8);
inline constexpr std::size_t kSealRecordBytes = record_bytes(0);
inline constexpr std::size_t kGapRecordBytes = record_bytes(8);
inline constexpr std::size_t kAdoptRecordBytes = record_bytes(AdoptRecord::kPayloadBytes);

/// Where records are written to: `out` has room for the record and becomes the bytes at `offset` of
/// the segment with this salt. Each function returns how many bytes it wrote.
struct RecordPlace {
    std::byte* out;
    std::uint32_t offset;
    std::uint32_t salt;
};
/// Preconditions: the limits given at HoldRecord, payload_bytes() <= kMaxPayloadBytes, not erased,
/// and where it is no continuation, allocated_at == since == times.last_touch.
std::size_t encode_hold(RecordPlace place, const HoldRecord& record) noexcept;
/// `type` is touch or release.
std::size_t encode_times(RecordPlace place, RecordType type, const TimesRecord& record) noexcept;
std::size_t encode_sync(RecordPlace place, JournalPosition durable_before) noexcept;
std::size_t encode_seal(RecordPlace place) noexcept;
std::size_t encode_gap(RecordPlace place, JournalPosition trusted_before) noexcept;
std::size_t encode_adopt(RecordPlace place, const AdoptRecord& record) noexcept;

/// What stands at one place of a segment.
struct RecordView {
    enum class Kind : std::uint8_t {
        record,   ///< all members are set
        end,      ///< zeros, or fewer bytes than a record header: nothing was written here
        invalid,  ///< something, but no record of this place
    };
    Kind kind = Kind::end;
    RecordType type{};
    std::uint32_t bytes = 0;  ///< of the whole record; the next one follows
    std::span<const std::byte> payload;
};
/// Reads what stands at the begin of `rest`, the bytes from `offset`, a multiple of 8, up to the
/// end of the segment.
RecordView read_record(std::span<const std::byte> rest, std::uint32_t offset,
                       std::uint32_t salt) noexcept;

/// The position in a sync or gap record.
std::optional<JournalPosition> decode_position(std::span<const std::byte> payload) noexcept;

/// Overwrites the session id and the context of a hold record, `record` being all bytes of one that
/// stands, or stood, at `place`. What the result is made of is never overwritten itself: a record
/// that was torn while it was being erased comes out as if it had been whole. Returns its checksum;
/// nothing, and leaves the bytes alone, where they are no hold record's.
std::optional<std::uint32_t> erase_hold(RecordPlace place, std::size_t bytes) noexcept;
/// How many bytes a record has that begins with these kRecordHeaderBytes; its checksum is not
/// looked at.
std::size_t claimed_record_bytes(std::span<const std::byte> begin) noexcept;

/// The greatest position of which any sync record in `rest` says that everything in front was on
/// the disk, though the bytes between may be anything; 0 where there is none. Arguments as above.
JournalPosition find_durable_claim(std::span<const std::byte> rest, std::uint32_t offset,
                                   std::uint32_t salt) noexcept;

}  // namespace ringmaster::store
