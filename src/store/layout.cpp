#include "ringmaster/store/layout.hpp"

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/number_map.hpp"
#include "ringmaster/store/pool_files.hpp"
#include "ringmaster/store/recovery.hpp"
#include "ringmaster/store/segment_supply.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

using ringpool::PhoneNumber;

namespace {

constexpr std::array<char, 8> kMagic = {'R', 'M', 'L', 'A', 'Y', 'O', 'U', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kShardBytes = 4;
constexpr std::size_t kRetiredBytes = 12;

// With more than half of its ids behind it, a stream is given up at the next start.
constexpr std::uint32_t kWornSequence = kMaxSequence / 2;

Error damaged(const char* what) {
    return {ErrorCode::damaged, what};
}

bool in_use(const Layout& layout, std::uint32_t stream) {
    return std::ranges::count(layout.streams, stream) != 0 ||
           std::ranges::count(layout.retired, stream, &Layout::Retired::stream) != 0;
}

/// The stream of a shard that is being begun.
struct NewStream {
    JournalPosition position;  ///< of its snapshot
    UniqueFd file;
    SnapshotWriter snapshot;
};

class Preparation {
  public:
    Preparation(Disk& disk, const DataDirectory& directory, std::size_t shards,
                const std::function<std::size_t(std::string_view)>& owner_of, Log& log)
        : disk_(disk), directory_(directory), shards_(shards), owner_of_(owner_of), log_(log) {}

    Result<Layout> run();

  private:
    Result<void> load();
    Result<void> begin();
    Result<void> remove_leftovers();
    Result<void> load_pools();
    Result<bool> look_at_streams();
    Result<void> move_numbers();
    Result<void> merge(std::uint32_t stream);
    Result<NewStream> begin_stream(std::uint32_t stream, const TimeAnchor& anchor);
    Result<void> finish_stream(NewStream& stream);
    Result<void> write_streams(const std::vector<std::uint32_t>& streams, const TimeAnchor& anchor);
    Result<void> save(Layout layout);
    std::size_t owner_of(PhoneNumber number) const;
    TimeAnchor anchor() const;

    fs::path path_of(std::uint32_t stream) const { return stream_path(directory_.root(), stream); }

    Disk& disk_;
    const DataDirectory& directory_;
    const std::size_t shards_;
    const std::function<std::size_t(std::string_view)>& owner_of_;
    Log& log_;

    Layout layout_;
    bool found_anything_ = false;
    std::vector<std::size_t> owners_;   ///< by pool, in the order of ids
    NumberMap<std::uint32_t> pool_of_;  ///< of all numbers of all pools
    SlotMap slots_;                     ///< what all streams amount to
    std::optional<TimeAnchor> newest_;  ///< of any stream
    WallTime latest_{};                 ///< in any record
};

Result<Layout> Preparation::run() {
    if (auto done = load(); !done) return done.error();
    if (auto done = remove_leftovers(); !done) return done.error();
    if (auto done = load_pools(); !done) return done.error();
    const auto fits = look_at_streams();
    if (!fits) return fits.error();
    const auto secret = directory_.secret(disk_, !found_anything_);
    if (!secret) return secret.error();
    if (!*fits) {
        if (auto done = move_numbers(); !done) return done.error();
    }
    return std::move(layout_);
}

Result<void> Preparation::load() {
    auto stored = load_layout(directory_.root());
    if (!stored) return stored.error();
    if (!*stored) return begin();
    layout_ = **std::move(stored);
    return {};
}

// The first time: what there is lies in shard-0, if anywhere. It is written down before there can
// be any other stream, so that where streams are and no layout, that was lost.
Result<void> Preparation::begin() {
    const auto streams = list_streams(directory_.root());
    if (!streams) return streams.error();
    if (!streams->empty() && streams->back() > 0) {
        return Error{ErrorCode::damaged, layout_path(directory_.root()).string() +
                                             " is missing: it can't be told which shard has what"};
    }
    Layout layout;
    if (!streams->empty()) {
        const auto files = list_shard(path_of(0));
        if (!files) return files.error();
        if (!files->segments.empty() || !files->snapshots.empty()) layout = {{0}, {}, 1};
    }
    return save(std::move(layout));
}

Result<void> Preparation::save(Layout layout) {
    const auto bytes = encode_layout(layout);
    auto written = replace_file(disk_, layout_path(directory_.root()), bytes);
    if (written) layout_ = std::move(layout);
    return written;
}

// What a change that was not completed has begun.
Result<void> Preparation::remove_leftovers() {
    const auto streams = list_streams(directory_.root());
    if (!streams) return streams.error();
    for (const std::uint32_t stream : *streams) {
        if (in_use(layout_, stream)) continue;
        const fs::path shard = path_of(stream);
        const auto files = list_shard(shard);
        if (!files) return files.error();
        std::vector<fs::path> paths = files->unfinished;
        for (const auto id : files->segments) paths.push_back(segment_path(shard, id));
        for (const auto at : files->snapshots) paths.push_back(snapshot_path(shard, at));
        for (const fs::path& path : paths) {
            if (const auto error = disk_.remove(path)) return disk_error("remove", path, error);
        }
        if (const auto error = disk_.remove_directory(shard)) {
            return disk_error("remove", shard, error);
        }
    }
    return {};
}

Result<void> Preparation::load_pools() {
    const PoolFiles files(disk_, directory_.pools());
    const auto pools = files.load();
    if (!pools) return pools.error();
    const auto damaged_file = [&](std::size_t pool, PhoneNumber number, const std::string& what) {
        const fs::path path = files.path_of((*pools)[pool].definition.id);
        return Error{ErrorCode::damaged, "the pool's file " + path.string() + " has " +
                                             number.e164() + ", which " + what};
    };
    const auto name = [&](std::size_t pool) {
        return "pool '" + (*pools)[pool].definition.id + "'";
    };
    for (std::uint32_t i = 0; i < pools->size(); ++i) {
        owners_.push_back(owner_of_((*pools)[i].definition.id));
        assert(owners_.back() < shards_);
        pool_of_.reserve(pool_of_.size() + (*pools)[i].numbers.size());
        for (const StoredNumber& stored : (*pools)[i].numbers) {
            const PhoneNumber number = stored.number.number;
            if (const auto* const other = pool_of_.find(number)) {
                return damaged_file(i, number, "is in " + name(*other) + " already");
            }
            pool_of_.at(number) = i;
        }
    }
    for (std::size_t i = 0; i < pools->size(); ++i) {
        const PhoneNumber number = (*pools)[i].definition.overflow.number;
        if (const auto* const pool = pool_of_.find(number)) {
            return damaged_file(*pool, number, "is the overflow number of " + name(i));
        }
    }
    return {};
}

// Whether the shards may go on with the streams that they have.
Result<bool> Preparation::look_at_streams() {
    bool fits = layout_.streams.size() == shards_;
    for (const std::uint32_t stream : layout_.streams) {
        const fs::path shard = path_of(stream);
        if (std::error_code error; !fs::exists(shard, error)) {
            return Error{ErrorCode::damaged,
                         shard.string() + " is missing, and what it says is needed"};
        }
        const auto files = list_shard(shard);
        if (!files) return files.error();
        if (!files->segments.empty() || !files->snapshots.empty()) found_anything_ = true;
        const bool worn =
            !files->segments.empty() && sequence_of(files->segments.back()) > kWornSequence;
        if (worn) fits = false;
    }
    return fits;
}

Result<void> Preparation::move_numbers() {
    const std::size_t before = layout_.streams.size();
    if (layout_.next_stream + shards_ > kMaxStreams) {
        return Error{ErrorCode::unavailable,
                     "the data directory " + directory_.root().string() + " has had " +
                         std::to_string(layout_.next_stream) +
                         " journals, one for each shard at each change of their number, and no "
                         "more than " +
                         std::to_string(kMaxStreams) + " are possible"};
    }
    for (const std::uint32_t stream : layout_.streams) {
        if (auto done = merge(stream); !done) return done;
    }
    Layout next;
    for (std::size_t i = 0; i < shards_; ++i) {
        next.streams.push_back(layout_.next_stream + static_cast<std::uint32_t>(i));
    }
    next.next_stream = next.streams.back() + 1;
    const TimeAnchor at = anchor();
    if (auto done = write_streams(next.streams, at); !done) return done;
    for (const Layout::Retired& retired : layout_.retired) {
        std::error_code error;
        if (fs::exists(path_of(retired.stream), error)) next.retired.push_back(retired);
    }
    for (const std::uint32_t stream : layout_.streams)
        next.retired.push_back({stream, at.hold_time});
    if (auto done = save(std::move(next)); !done) return done;
    if (found_anything_) {
        log_.info("store: " + std::to_string(slots_.size()) + " numbers moved from " +
                  std::to_string(before) + " shards to " + std::to_string(shards_));
    }
    return {};
}

Result<void> Preparation::merge(std::uint32_t stream) {
    auto recovered = recover(disk_, path_of(stream), stream, log_);
    if (!recovered) return recovered.error();
    latest_ = std::max(latest_, recovered->latest);
    const auto& anchor = recovered->anchor;
    if (anchor && (!newest_ || anchor->hold_time > newest_->hold_time)) newest_ = anchor;
    if (slots_.size() == 0) {
        slots_ = std::move(recovered->slots);
        return {};
    }
    slots_.reserve(slots_.size() + recovered->slots.size());
    for (const auto& [number, slot] : recovered->slots) {
        ringpool::Slot& known = slots_.at(number);
        if (!known.session || is_newer(slot, known)) known = slot;
    }
    return {};
}

// The clock must not go back behind any record. Between the newest anchor and the latest record it
// went with the time since boot.
TimeAnchor Preparation::anchor() const {
    TimeAnchor anchor = newest_.value_or(TimeAnchor());
    if (latest_ <= anchor.hold_time) return anchor;
    anchor.since_boot += latest_ - anchor.hold_time;
    anchor.hold_time = latest_;
    return anchor;
}

// Numbers in no pool go where they meet the ones like them again, at every change.
std::size_t Preparation::owner_of(PhoneNumber number) const {
    const auto* const pool = pool_of_.find(number);
    return pool != nullptr ? owners_[*pool] : number.digits() % shards_;
}

Result<void> Preparation::write_streams(const std::vector<std::uint32_t>& streams,
                                        const TimeAnchor& anchor) {
    std::vector<NewStream> begun;
    for (const std::uint32_t stream : streams) {
        if (auto made = make_directory(disk_, path_of(stream)); !made) return made;
        // As ever, a shard that finds nothing begins with nothing.
        if (!found_anything_) continue;
        auto one = begin_stream(stream, anchor);
        if (!one) return one.error();
        begun.push_back(*std::move(one));
    }
    if (!found_anything_) return {};
    for (const auto& [number, slot] : slots_) begun[owner_of(number)].snapshot.add(number, slot);
    for (NewStream& stream : begun) {
        if (auto done = finish_stream(stream); !done) return done;
    }
    return {};
}

// Its first segment says that the journal goes on behind a snapshot: should that be lost, what
// comes later is not taken for all.
Result<NewStream> Preparation::begin_stream(std::uint32_t stream, const TimeAnchor& anchor) {
    constexpr auto kBegin = static_cast<std::uint32_t>(SegmentHeader::kBytes);
    constexpr std::size_t kRecordBytes = kGapRecordBytes + kSealRecordBytes;
    const fs::path shard = path_of(stream);
    const std::uint32_t id = first_segment(stream);
    const SegmentShape shape{shard, kBegin + kRecordBytes};
    const auto segment = lay_out_segment(disk_, shape, {id, 0, anchor, position_at(id, kBegin)});
    if (!segment) return segment.error();
    std::array<std::byte, kRecordBytes> records;
    const std::uint32_t salt = segment->header.salt;
    encode_gap({records.data(), kBegin, salt}, position_at(id, kBegin));
    encode_seal({records.data() + kGapRecordBytes, kBegin + kGapRecordBytes, salt});
    auto error = disk_.write_at(segment->file.get(), records, kBegin);
    if (!error) error = disk_.sync(segment->file.get());
    if (error) return disk_error("write", segment_path(shard, id), error);

    const JournalPosition position = position_at(id, kBegin + kGapRecordBytes);
    const fs::path path = snapshot_path(shard, position);
    UniqueFd file;
    error = disk_.create(unfinished(path), file);
    if (error) return disk_error("write", path, error);
    SnapshotWriter snapshot(disk_, file.get(), {position, anchor});
    return NewStream{position, std::move(file), std::move(snapshot)};
}

Result<void> Preparation::finish_stream(NewStream& stream) {
    const fs::path shard = path_of(stream_of(stream.position));
    const fs::path path = snapshot_path(shard, stream.position);
    auto error = stream.snapshot.finish();
    if (!error) error = disk_.rename(unfinished(path), path);
    if (!error) error = disk_.sync_directory(shard);
    if (error) return disk_error("write", path, error);
    return {};
}

// The newest anchor of a stream: the headers of its last files have it. One that can't be read says
// nothing here; recovery tells of it.
Result<std::optional<TimeAnchor>> newest_anchor(const fs::path& shard) {
    const auto files = list_shard(shard);
    if (!files) return files.error();
    std::optional<TimeAnchor> newest;
    const auto note = [&](const TimeAnchor& anchor) {
        if (!newest || anchor.hold_time > newest->hold_time) newest = anchor;
    };
    if (!files->segments.empty()) {
        const auto bytes =
            read_file(segment_path(shard, files->segments.back()), SegmentHeader::kBytes);
        if (!bytes) return bytes.error();
        if (const auto header = SegmentHeader::decode(*bytes)) note(header->anchor);
    }
    if (!files->snapshots.empty()) {
        const auto bytes =
            read_file(snapshot_path(shard, files->snapshots.back()), SnapshotHeader::kBytes);
        if (!bytes) return bytes.error();
        if (const auto header = SnapshotHeader::decode(*bytes)) note(header->anchor);
    }
    return newest;
}

}  // namespace

std::vector<std::byte> encode_layout(const Layout& layout) {
    std::vector<std::byte> bytes(kHeaderBytes + kShardBytes * layout.streams.size() +
                                 kRetiredBytes * layout.retired.size());
    std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
    store_at(bytes.data() + 8, kVersion);
    store_at(bytes.data() + 16, layout.next_stream);
    store_at(bytes.data() + 20, static_cast<std::uint32_t>(layout.streams.size()));
    store_at(bytes.data() + 24, static_cast<std::uint32_t>(layout.retired.size()));
    std::byte* out = bytes.data() + kHeaderBytes;
    for (const std::uint32_t stream : layout.streams) {
        store_at(out, stream);
        out += kShardBytes;
    }
    for (const Layout::Retired& retired : layout.retired) {
        store_at(out, retired.stream);
        store_time_at(out + 4, retired.end);
        out += kRetiredBytes;
    }
    store_at(bytes.data() + 12, crc32c(std::span<const std::byte>(bytes).subspan(16)));
    return bytes;
}

Result<Layout> decode_layout(std::span<const std::byte> bytes) {
    if (bytes.size() < kHeaderBytes) return damaged("is too short for a layout");
    const std::byte* const at = bytes.data();
    if (std::memcmp(at, kMagic.data(), kMagic.size()) != 0) {
        return damaged("does not begin like a layout");
    }
    if (load_at<std::uint32_t>(at + 8) != kVersion) {
        return damaged("has a version of the format that this program does not know");
    }
    if (load_at<std::uint32_t>(at + 12) != crc32c(bytes.subspan(16))) {
        return damaged("has a checksum that does not match");
    }
    Layout layout;
    layout.next_stream = load_at<std::uint32_t>(at + 16);
    const std::size_t shards = load_at<std::uint32_t>(at + 20);
    const std::size_t retired = load_at<std::uint32_t>(at + 24);
    if (bytes.size() != kHeaderBytes + kShardBytes * shards + kRetiredBytes * retired) {
        return damaged("has another length than its header says");
    }
    bool sense = layout.next_stream <= kMaxStreams;
    const std::byte* in = at + kHeaderBytes;
    for (std::size_t i = 0; i < shards; ++i, in += kShardBytes) {
        const auto stream = load_at<std::uint32_t>(in);
        sense = sense && stream < layout.next_stream && !in_use(layout, stream);
        layout.streams.push_back(stream);
    }
    for (std::size_t i = 0; i < retired; ++i, in += kRetiredBytes) {
        const auto stream = load_at<std::uint32_t>(in);
        sense = sense && stream < layout.next_stream && !in_use(layout, stream);
        layout.retired.push_back({stream, load_time_at(in + 4)});
    }
    if (!sense) return damaged("has a stream without sense");
    return layout;
}

fs::path layout_path(const fs::path& root) {
    return root / "layout";
}

Result<std::optional<Layout>> load_layout(const fs::path& root) {
    const fs::path path = layout_path(root);
    if (std::error_code error; !fs::exists(path, error)) return std::optional<Layout>();
    const auto bytes = read_file(path);
    if (!bytes) return bytes.error();
    auto layout = decode_layout(*bytes);
    if (!layout) {
        return Error{ErrorCode::damaged, path.string() + " " + layout.error().message};
    }
    return std::optional(*std::move(layout));
}

Result<Layout> prepare_layout(Disk& disk, const DataDirectory& directory, std::size_t shards,
                              const std::function<std::size_t(std::string_view)>& owner_of,
                              Log& log) {
    assert(shards > 0);
    return Preparation(disk, directory, shards, owner_of, log).run();
}

Result<HoldClock::Base> common_hold_clock(const DataDirectory& directory, const Layout& layout,
                                          SteadyTime now, WallTime wall, const BootTime& boot) {
    std::optional<TimeAnchor> newest;
    for (const std::uint32_t stream : layout.streams) {
        const auto anchor = newest_anchor(stream_path(directory.root(), stream));
        if (!anchor) return anchor.error();
        if (*anchor && (!newest || (*anchor)->hold_time > newest->hold_time)) newest = *anchor;
    }
    return HoldClock::begin(now, wall, boot, newest);
}

Result<std::vector<Layout::Retired>> take_over_retired(Disk& disk, const DataDirectory& directory) {
    auto layout = load_layout(directory.root());
    if (!layout) return layout.error();
    if (!*layout) return std::vector<Layout::Retired>();
    for (const Layout::Retired& retired : (*layout)->retired) {
        const fs::path shard = stream_path(directory.root(), retired.stream);
        if (std::error_code error; !fs::exists(shard, error)) continue;
        const auto files = list_shard(shard);
        if (!files) return files.error();
        for (const fs::path& path : files->unfinished) {
            if (const auto error = disk.remove(path)) return disk_error("remove", path, error);
        }
        if (auto done = finish_erasure(disk, shard); !done) return done.error();
    }
    return std::move((*layout)->retired);
}

}  // namespace ringmaster::store
