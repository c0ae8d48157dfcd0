#include "ringmaster/store/snapshot.hpp"

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::store {

namespace {

constexpr std::array<char, 8> kMagic = {'R', 'M', 'S', 'N', 'A', 'P', 'S', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kEntryBytes = 72;
constexpr std::size_t kBufferBytes = kEntryBytes * 4096;
constexpr std::chrono::milliseconds kChildPoll{5};

Error damaged(const char* what) {
    return {ErrorCode::damaged, what};
}

void encode_entry(std::byte* out, ringpool::PhoneNumber number,
                  const ringpool::Slot& slot) noexcept {
    store_at(out, number.digits());
    store_at(out + 8, slot.session.low);
    store_at(out + 16, slot.session.high);
    store_time_at(out + 24, slot.allocated_at);
    store_time_at(out + 32, slot.last_touch);
    store_time_at(out + 40, slot.expires_at);
    store_time_at(out + 48, slot.eligible_at);
    store_at(out + 56, slot.record);
    store_at(out + 64, slot.context);
    store_at(out + 68, std::uint32_t{0});
}

ringpool::Slot decode_slot(const std::byte* in) noexcept {
    ringpool::Slot slot;
    slot.session = {load_at<std::uint64_t>(in + 8), load_at<std::uint64_t>(in + 16)};
    slot.allocated_at = load_time_at(in + 24);
    slot.last_touch = load_time_at(in + 32);
    slot.expires_at = load_time_at(in + 40);
    slot.eligible_at = load_time_at(in + 48);
    slot.record = load_at<std::uint64_t>(in + 56);
    slot.context = load_at<std::uint32_t>(in + 64);
    return slot;
}

// In the child nothing may be locked or allocated: a thread that does not exist here may have held
// the lock at the fork.
[[noreturn]] void run_child(pid_t parent, SnapshotWriter& writer, int file,
                            const Holdings& holdings) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(ESRCH);
    // Sockets, and the lock of the data directory, are the parent's alone to keep or give up.
    if (file > 3) ::close_range(3, static_cast<unsigned>(file) - 1, 0);
    ::close_range(static_cast<unsigned>(file) + 1, ~0u, 0);
    holdings.for_each([&](ringpool::PhoneNumber number, const ringpool::Slot& slot) {
        writer.add(number, slot);
    });
    const std::error_code error = writer.finish();
    ::_exit(error ? (error.value() & 0xff) : 0);
}

}  // namespace

void SnapshotHeader::encode(std::span<std::byte, kBytes> out) const noexcept {
    std::byte* const at = out.data();
    std::memcpy(at, kMagic.data(), kMagic.size());
    store_at(at + 8, kVersion);
    store_at(at + 16, position);
    store_time_at(at + 24, anchor.hold_time);
    store_at<std::int64_t>(at + 32, anchor.since_boot.count());
    std::memcpy(at + 40, anchor.boot_id.data(), anchor.boot_id.size());
    store_at(at + 56, count);
    store_at(at + 64, entries_crc);
    store_at(at + 68, std::uint32_t{0});
    store_at(at + 72, oldest_record);
    store_at(at + 12, crc32c(std::span<const std::byte>(out).subspan(16)));
}

Result<SnapshotHeader> SnapshotHeader::decode(std::span<const std::byte> bytes) {
    if (bytes.size() < kBytes) return damaged("is too short for a snapshot");
    const std::byte* const at = bytes.data();
    if (std::memcmp(at, kMagic.data(), kMagic.size()) != 0) {
        return damaged("does not begin like a snapshot");
    }
    if (load_at<std::uint32_t>(at + 8) != kVersion) {
        return damaged("has a version of the format that this program does not know");
    }
    if (load_at<std::uint32_t>(at + 12) != crc32c(bytes.first(kBytes).subspan(16))) {
        return damaged("has a header whose checksum does not match");
    }
    SnapshotHeader header;
    header.position = load_at<std::uint64_t>(at + 16);
    header.anchor.hold_time = load_time_at(at + 24);
    header.anchor.since_boot = std::chrono::milliseconds(load_at<std::int64_t>(at + 32));
    std::memcpy(header.anchor.boot_id.data(), at + 40, header.anchor.boot_id.size());
    header.count = load_at<std::uint64_t>(at + 56);
    header.entries_crc = load_at<std::uint32_t>(at + 64);
    header.oldest_record = load_at<std::uint64_t>(at + 72);
    return header;
}

SnapshotWriter::SnapshotWriter(Disk& disk, int file, const SnapshotHeader& header)
    : disk_(disk), file_(file), buffer_(kBufferBytes), header_(header) {}

void SnapshotWriter::add(ringpool::PhoneNumber number, const ringpool::Slot& slot) noexcept {
    encode_entry(buffer_.data() + used_, number, slot);
    used_ += kEntryBytes;
    ++header_.count;
    const bool here = slot.record != 0 && stream_of(slot.record) == stream_of(header_.position);
    if (here && slot.eligible_at > header_.anchor.hold_time) {
        header_.oldest_record = std::min(header_.oldest_record, slot.record);
    }
    if (used_ == buffer_.size()) flush();
}

void SnapshotWriter::flush() noexcept {
    const auto bytes = std::span<const std::byte>(buffer_).first(std::exchange(used_, 0));
    header_.entries_crc = crc32c(bytes, header_.entries_crc);
    if (!error_) error_ = disk_.write_at(file_, bytes, offset_);
    offset_ += bytes.size();
}

std::error_code SnapshotWriter::finish() noexcept {
    flush();
    std::array<std::byte, SnapshotHeader::kBytes> bytes;
    header_.encode(bytes);
    if (!error_) error_ = disk_.write_at(file_, bytes, 0);
    if (!error_) error_ = disk_.sync(file_);
    return error_;
}

Result<SnapshotHeader> decode_snapshot(std::span<const std::byte> bytes, SlotMap& slots) {
    auto header = SnapshotHeader::decode(bytes);
    if (!header) return header;
    const auto entries = bytes.subspan(SnapshotHeader::kBytes);
    if (entries.size() % kEntryBytes != 0 || entries.size() / kEntryBytes != header->count) {
        return damaged("has another length than its header says");
    }
    if (header->entries_crc != crc32c(entries)) {
        return damaged("has entries whose checksum does not match");
    }
    for (std::size_t i = 0; i < entries.size(); i += kEntryBytes) {
        const std::byte* const entry = entries.data() + i;
        const auto number = ringpool::PhoneNumber::from_digits(load_at<std::uint64_t>(entry));
        slots.at(number) = decode_slot(entry);
    }
    return header;
}

Snapshotter::Snapshotter(runtime::Reactor& reactor, runtime::HelperThread& helper, Disk& disk,
                         std::filesystem::path directory)
    : reactor_(reactor), helper_(helper), disk_(disk), directory_(std::move(directory)) {}

Result<void> Snapshotter::take(const Holdings& holdings,
                               const std::function<SnapshotHeader()>& make_header,
                               const std::function<Result<void>()>& before_publishing) {
    const auto draft = directory_ / "snapshot.tmp";
    UniqueFd file;
    std::error_code error = helper_.run([&] { return disk_.create(draft, file); });
    if (error) return disk_error("write", draft, error);

    const SnapshotHeader header = make_header();
    SnapshotWriter writer(disk_, file.get(), header);
    const pid_t parent = ::getpid();
    // What is sent to the whole process group is for the parent to act on.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        run_child(parent, writer, file.get(), holdings);
    }
    error = {errno, std::generic_category()};
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (child < 0) return disk_error("fork for", draft, error);

    if ((error = wait_for_child(child))) return disk_error("write", draft, error);
    if (auto ready = before_publishing(); !ready) return ready;
    const auto path = snapshot_path(directory_, header.position);
    error = helper_.run([&] {
        const auto failed = disk_.rename(draft, path);
        return failed ? failed : disk_.sync_directory(directory_);
    });
    if (error) return disk_error("publish", path, error);
    return {};
}

std::error_code Snapshotter::wait_for_child(int pid) {
    int status = 0;
    while (true) {
        const pid_t ended = ::waitpid(pid, &status, WNOHANG);
        if (ended < 0 && errno != EINTR) return {errno, std::generic_category()};
        if (ended == pid) break;
        reactor_.scheduler().sleep_until(reactor_.scheduler().now() + kChildPoll);
    }
    if (WIFEXITED(status)) return {WEXITSTATUS(status), std::generic_category()};
    return std::make_error_code(std::errc::interrupted);
}

}  // namespace ringmaster::store
