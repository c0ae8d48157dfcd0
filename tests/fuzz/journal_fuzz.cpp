// The files of a shard, as a crash, a bad disk or another program may have left them.
//
// What can be decoded is encoded and decoded to the same. Recovery either refuses, with the file
// and the place, and has changed nothing; or it leaves files that a second recovery reads as the
// same, with nothing left to mend.

#include "ringmaster/base/log.hpp"
#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/recovery.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/scratch_directory.hpp"
#include "fuzz_target.hpp"
#include "journal_files.hpp"

namespace {

namespace fs = std::filesystem;
using namespace ringmaster;
using namespace ringmaster::fuzz;
using namespace ringmaster::store;

using Bytes = std::span<const std::byte>;

bool same(Bytes a, Bytes b) {
    return std::ranges::equal(a, b);
}

// ---------------------------------------------------------------------------------------------
// Checksums, without which the fuzzer would find nothing but the checks of them. Only they, and
// what names a file, are set; all else is taken from the input, whatever it is.

void mend_segment(JournalFile& file) {
    auto& bytes = file.bytes;
    if (bytes.size() < SegmentHeader::kBytes) return;
    SegmentHeader header;
    header.segment = file.segment();
    header.salt = load_at<std::uint32_t>(bytes.data() + 16);
    header.anchor.hold_time = load_time_at(bytes.data() + 20);
    header.anchor.since_boot = std::chrono::milliseconds(load_at<std::int64_t>(bytes.data() + 28));
    header.durable_before = load_at<std::uint64_t>(bytes.data() + 52);
    header.encode(std::span(bytes).first<SegmentHeader::kBytes>());

    // Behind what is no record, others may stand.
    for (std::size_t at = SegmentHeader::kBytes; at + kRecordHeaderBytes <= bytes.size();) {
        std::byte* const record = bytes.data() + at;
        const auto word = load_at<std::uint32_t>(record + 4);
        const std::size_t size = record_bytes(word & kMaxPayloadBytes);
        if (word >> 24 == 0 || word >> 24 >= kRecordTypes || at + size > bytes.size()) {
            at += 8;
            continue;
        }
        const auto begin = header.salt ^ static_cast<std::uint32_t>(at);
        store_at(record, crc32c({record + 4, size - 4}, begin));
        at += size;
    }
}

void mend_snapshot(JournalFile& file) {
    auto& bytes = file.bytes;
    if (bytes.size() < SnapshotHeader::kBytes) return;
    SnapshotHeader header;
    header.position = file.position;
    header.anchor.hold_time = load_time_at(bytes.data() + 24);
    header.anchor.since_boot = std::chrono::milliseconds(load_at<std::int64_t>(bytes.data() + 32));
    header.count = load_at<std::uint64_t>(bytes.data() + 56);
    header.entries_crc = crc32c(Bytes(bytes).subspan(SnapshotHeader::kBytes));
    header.oldest_record = load_at<std::uint64_t>(bytes.data() + 72);
    header.encode(std::span(bytes).first<SnapshotHeader::kBytes>());
}

// ---------------------------------------------------------------------------------------------
// Decoding

bool same_times(const HoldTimes& a, const HoldTimes& b) {
    return a.last_touch == b.last_touch && a.expires_at == b.expires_at &&
           a.eligible_at == b.eligible_at;
}

void check_record(const RecordView& record) {
    std::vector<std::byte> again(record.bytes + HoldRecord::kFixedBytes);
    const RecordPlace place{again.data(), 64, 7};
    const auto payload_of = [&](std::size_t bytes) {
        const RecordView view = read_record(Bytes(again).first(bytes), 64, 7);
        expect(view.kind == RecordView::Kind::record && view.type == record.type &&
                   view.bytes == bytes,
               "what was encoded is a record");
        return view.payload;
    };
    switch (record.type) {
        case RecordType::hold: {
            const auto hold = HoldRecord::decode(record.payload);
            if (!hold || hold->erased) return;  // what was erased is not written
            const auto read = HoldRecord::decode(payload_of(encode_hold(place, *hold)));
            expect(read && read->number == hold->number && read->session == hold->session &&
                       read->previous == hold->previous &&
                       read->allocated_at == hold->allocated_at && read->since == hold->since &&
                       same_times(read->previous_end, hold->previous_end) &&
                       same_times(read->times, hold->times) &&
                       read->continuation == hold->continuation && read->pool_id == hold->pool_id &&
                       read->session_id == hold->session_id && read->context == hold->context,
                   "a hold is read as it was written");
            return;
        }
        case RecordType::touch:
        case RecordType::release: {
            const auto times = TimesRecord::decode(record.payload);
            if (!times) return;
            const auto payload = payload_of(encode_times(place, record.type, *times));
            expect(same(payload, record.payload), "a touch is read as it was written");
            return;
        }
        case RecordType::adopt: {
            const auto adopt = AdoptRecord::decode(record.payload);
            if (!adopt) return;
            const auto read = AdoptRecord::decode(payload_of(encode_adopt(place, *adopt)));
            expect(read && read->number == adopt->number &&
                       read->slot.session == adopt->slot.session &&
                       read->slot.allocated_at == adopt->slot.allocated_at &&
                       read->slot.record == adopt->slot.record &&
                       read->slot.context == adopt->slot.context &&
                       same_times(times_of(read->slot), times_of(adopt->slot)),
                   "what is adopted is read as it was written");
            return;
        }
        case RecordType::sync:
        case RecordType::gap: {
            const auto position = decode_position(record.payload);
            if (!position) return;
            const auto encode = record.type == RecordType::sync ? encode_sync : encode_gap;
            expect(same(payload_of(encode(place, *position)), record.payload),
                   "a position is read as it was written");
            return;
        }
        case RecordType::seal: return;
    }
    expect(false, "a record has a known type");
}

void check_segment(Bytes bytes) {
    const auto header = SegmentHeader::decode(bytes);
    if (!header) return;
    std::array<std::byte, SegmentHeader::kBytes> again;
    header->encode(again);
    // But for the version, which is always today's, and with it the checksum.
    expect(same(Bytes(again).subspan(12, 48), bytes.subspan(12, 48)),
           "a header is read as it was written");

    JournalPosition claim = 0;
    for (std::size_t at = SegmentHeader::kBytes; at <= bytes.size(); at += 8) {
        const auto offset = static_cast<std::uint32_t>(at);
        const RecordView record = read_record(bytes.subspan(at), offset, header->salt);
        if (record.kind != RecordView::Kind::record) continue;
        expect(record.bytes % 8 == 0 && at + record.bytes <= bytes.size() &&
                   record.payload.data() + record.payload.size() <= bytes.data() + bytes.size(),
               "a record is within its segment");
        check_record(record);
        if (record.type != RecordType::sync) continue;
        claim = std::max(claim, decode_position(record.payload).value_or(0));
    }
    constexpr auto kBegin = static_cast<std::uint32_t>(SegmentHeader::kBytes);
    expect(find_durable_claim(bytes.subspan(kBegin), kBegin, header->salt) == claim,
           "every sync record is found");
}

void check_snapshot(Bytes bytes) {
    SlotMap slots;
    const auto header = decode_snapshot(bytes, slots);
    if (!header) {
        expect(slots.size() == 0, "a damaged snapshot says nothing");
        return;
    }
    expect(slots.size() <= header->count, "a snapshot holds what it counts");
    for (const auto& [number, slot] : slots) {
        expect(slots.find(number) == &slot, "each number is found");
    }
}

// ---------------------------------------------------------------------------------------------
// Recovery

class Sleepless final : public Disk {
  public:
    std::error_code sync(int) noexcept override { return {}; }
    std::error_code sync_directory(const fs::path&) override { return {}; }
};

class TailLog final : public Log {
  public:
    void write(LogLevel, std::string_view message) noexcept override {
        told_torn_tail |= message.find("torn tail") != message.npos;
    }
    bool told_torn_tail = false;
};

std::map<fs::path, std::vector<std::byte>> files_in(const fs::path& shard) {
    std::map<fs::path, std::vector<std::byte>> files;
    for (const auto& entry : fs::directory_iterator(shard)) {
        files[entry.path()] = read_file(entry.path()).value();
    }
    return files;
}

/// What two recoveries of the same journal must have in common.
std::string describe(const Recovered& recovered) {
    const auto ms = [](WallTime t) { return std::to_string(t.time_since_epoch().count()) + " "; };
    std::map<std::uint64_t, std::string> slots;
    for (const auto& [number, slot] : recovered.slots) {
        slots[number.digits()] = std::to_string(slot.session.low) + "/" +
                                 std::to_string(slot.session.high) + " " + ms(slot.allocated_at) +
                                 ms(slot.last_touch) + ms(slot.expires_at) + ms(slot.eligible_at) +
                                 std::to_string(slot.record) + " " + std::to_string(slot.context);
    }
    std::string text = "latest " + ms(recovered.latest) + "next " +
                       std::to_string(recovered.next_segment) + " anchor " +
                       (recovered.anchor ? ms(recovered.anchor->hold_time) : "none");
    for (const auto& [number, slot] : slots) {
        text.append("\n").append(std::to_string(number)).append(": ").append(slot);
    }
    return text;
}

void check_recovery(const JournalInput& input) {
    static const app::ScratchDirectory directory;
    const fs::path& shard = directory.path();
    for (const auto& entry : fs::directory_iterator(shard)) fs::remove(entry);
    for (const JournalFile& file : input.files) {
        directory.write(file.path("").string(),
                        {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()});
    }
    const auto before = files_in(shard);

    Sleepless disk;
    TailLog log;
    const auto recovered = recover(disk, shard, 0, log);
    if (!recovered) {
        const Error& error = recovered.error();
        expect(error.code == ErrorCode::damaged, "only damage is refused");
        expect(error.message.starts_with(shard.string() + "/") &&
                   (error.message.find(" is damaged at offset ") != std::string::npos ||
                    error.message.find(" is missing") != std::string::npos),
               "damage is told with file and place");
        expect(files_in(shard) == before, "damage is left as it is");
        expect(!log.told_torn_tail, "damage is no torn tail");
        return;
    }
    expect(recovered->found_anything == !input.files.empty(), "there is something, or not");

    TailLog second_log;
    const auto again = recover(disk, shard, 0, second_log);
    if (!again) std::fprintf(stderr, "%s\n", again.error().message.c_str());
    expect(again.ok(), "what was recovered can be recovered again");
    expect_same(describe(*recovered), describe(*again), "a second recovery gives the same");
    expect(!second_log.told_torn_tail, "a torn tail is cut off once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    JournalInput input = parse_journal_input(std::as_bytes(std::span(data, size)));
    for (JournalFile& file : input.files) {
        if (input.mend_checksums) file.is_snapshot ? mend_snapshot(file) : mend_segment(file);
        file.is_snapshot ? check_snapshot(file.bytes) : check_segment(file.bytes);
    }
    check_recovery(input);
    return 0;
}
