#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kUnfinished = ".tmp";
constexpr std::string_view kStream = "shard-";
constexpr const char* kLock = "lock";

std::error_code last_error() noexcept {
    return {errno, std::generic_category()};
}

std::optional<std::uint32_t> parse_number(std::string_view text) noexcept {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = error == std::errc() && end == text.data() + text.size();
    return good ? std::optional(value) : std::nullopt;
}

// Reads ten digits, and nothing else.
std::optional<std::uint32_t> parse_id(std::string_view text) noexcept {
    return text.size() == 10 ? parse_number(text) : std::nullopt;
}

// The middle of "<prefix>...<suffix>".
std::optional<std::string_view> middle(std::string_view name, std::string_view prefix,
                                       std::string_view suffix) noexcept {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    if (name.size() < suffix.size()) return std::nullopt;
    return name.substr(0, name.size() - suffix.size());
}

}  // namespace

DataDirectory::DataDirectory(fs::path root, UniqueFd lock)
    : root_(std::move(root)), pools_(root_ / "pools"), lock_(std::move(lock)) {}

Result<DataDirectory> DataDirectory::open(Disk& disk, const fs::path& root) {
    const fs::path whole = fs::absolute(root).lexically_normal();
    if (auto made = make_directory(disk, whole / "pools"); !made) return made.error();
    const fs::path path = whole / kLock;
    UniqueFd lock(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (lock.get() < 0) return disk_error("open", path, last_error());
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return disk_error("lock", path, last_error());
        return Error{ErrorCode::unavailable,
                     "the data directory " + whole.string() + " is in use by another process"};
    }
    return DataDirectory(whole, std::move(lock));
}

Result<DataDirectory> DataDirectory::adopt(const fs::path& root, int lock_fd) {
    const fs::path whole = fs::absolute(root).lexically_normal();
    UniqueFd lock(lock_fd);
    struct stat ours {};
    struct stat file {};
    const bool same = ::fstat(lock_fd, &ours) == 0 && ::stat((whole / kLock).c_str(), &file) == 0 &&
                      ours.st_dev == file.st_dev && ours.st_ino == file.st_ino;
    // Whoever has the lock already gets it again.
    if (!same || ::flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return Error{ErrorCode::invalid, "descriptor " + std::to_string(lock_fd) +
                                             " does not lock the data directory " + whole.string()};
    }
    ::fcntl(lock_fd, F_SETFD, FD_CLOEXEC);
    return DataDirectory(whole, std::move(lock));
}

Result<ringpool::SessionHasher::Key> DataDirectory::secret(Disk& disk, bool may_create) const {
    const fs::path path = root_ / "secret";
    ringpool::SessionHasher::Key key;
    const auto bytes = std::as_writable_bytes(std::span(key));
    if (std::error_code error; fs::exists(path, error)) {
        const auto have = read_file(path);
        if (!have) return have.error();
        if (have->size() != key.size()) {
            return Error{ErrorCode::damaged, path.string() + " must have 16 bytes, but has " +
                                                 std::to_string(have->size())};
        }
        std::ranges::copy(*have, bytes.begin());
        return key;
    }
    if (!may_create) {
        return Error{ErrorCode::damaged,
                     path.string() +
                         " is missing: the sessions in the journal can't be told "
                         "from each other without it"};
    }
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
        return disk_error("draw random bytes for", path, last_error());
    }
    if (auto written = replace_file(disk, path, bytes); !written) return written.error();
    return key;
}

fs::path stream_path(const fs::path& root, std::uint32_t stream) {
    return root / (std::string(kStream) + std::to_string(stream));
}

fs::path find_segment(const fs::path& root, std::uint32_t segment) {
    return segment_path(stream_path(root, stream_of_segment(segment)), segment);
}

fs::path segment_path(const fs::path& shard, std::uint32_t segment) {
    char name[40];
    std::snprintf(name, sizeof(name), "journal-%010u.log", segment);
    return shard / name;
}

fs::path snapshot_path(const fs::path& shard, JournalPosition position) {
    char name[48];
    std::snprintf(name, sizeof(name), "snapshot-%010u-%010u.dat", segment_of(position),
                  offset_of(position));
    return shard / name;
}

fs::path erasure_path(const fs::path& shard) {
    return shard / "erasure.dat";
}

fs::path unfinished(fs::path path) {
    return path += kUnfinished;
}

std::optional<std::uint32_t> parse_stream_name(std::string_view name) noexcept {
    const auto number = middle(name, kStream, "");
    const auto stream = number ? parse_number(*number) : std::nullopt;
    // "shard-007" is none of ours.
    const bool good = stream && *stream < kMaxStreams && std::to_string(*stream) == *number;
    return good ? stream : std::nullopt;
}

std::optional<std::uint32_t> parse_segment_name(std::string_view name) noexcept {
    const auto id = middle(name, "journal-", ".log");
    return id ? parse_id(*id) : std::nullopt;
}

std::optional<JournalPosition> parse_snapshot_name(std::string_view name) noexcept {
    const auto ids = middle(name, "snapshot-", ".dat");
    if (!ids || ids->size() != 21 || (*ids)[10] != '-') return std::nullopt;
    const auto segment = parse_id(ids->substr(0, 10));
    const auto offset = parse_id(ids->substr(11));
    if (!segment || !offset) return std::nullopt;
    return position_at(*segment, *offset);
}

Result<std::vector<std::uint32_t>> list_streams(const fs::path& root) {
    std::vector<std::uint32_t> streams;
    std::error_code error;
    for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
        const auto stream = parse_stream_name(it->path().filename().string());
        if (std::error_code ignored; stream && it->is_directory(ignored)) {
            streams.push_back(*stream);
        }
    }
    if (error) return disk_error("list", root, error);
    std::ranges::sort(streams);
    return streams;
}

Result<ShardFiles> list_shard(const fs::path& shard) {
    ShardFiles files;
    std::error_code error;
    for (fs::directory_iterator it(shard, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (const auto segment = parse_segment_name(name)) files.segments.push_back(*segment);
        if (const auto position = parse_snapshot_name(name)) files.snapshots.push_back(*position);
        if (name.ends_with(kUnfinished)) files.unfinished.push_back(it->path());
    }
    if (error) return disk_error("list", shard, error);
    std::ranges::sort(files.segments);
    std::ranges::sort(files.snapshots);
    return files;
}

Result<void> make_directory(Disk& disk, const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return {};
    const fs::path parent = path.parent_path();
    if (!parent.empty() && !fs::exists(parent, error)) {
        if (auto made = make_directory(disk, parent); !made) return made;
    }
    if ((error = disk.make_directory(path))) return disk_error("make the directory", path, error);
    if ((error = disk.sync_directory(parent.empty() ? "." : parent))) {
        return disk_error("sync the directory", parent, error);
    }
    return {};
}

Result<void> replace_file(Disk& disk, const fs::path& path, std::span<const std::byte> bytes) {
    const fs::path draft = unfinished(path);
    UniqueFd file;
    auto error = disk.create(draft, file);
    if (!error) error = disk.write_at(file.get(), bytes, 0);
    if (!error) error = disk.sync(file.get());
    if (!error) error = disk.rename(draft, path);
    if (!error) error = disk.sync_directory(path.parent_path());
    if (error) return disk_error("write", path, error);
    return {};
}

}  // namespace ringmaster::store
