#include "ringmaster/store/pool_files.hpp"

#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

using ringpool::FormattedNumber;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;

namespace {

constexpr std::array<char, 8> kMagic = {'R', 'M', 'P', 'O', 'O', 'L', 'S', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kFixedBytes = 48;            ///< of the definition
constexpr std::size_t kMaxDefinitionBytes = 4096;  ///< no good one is as long
constexpr std::size_t kNumberBytes = 32;
constexpr std::uint32_t kOverflowAllowed = 1;
constexpr std::uint8_t kDraining = 128;
constexpr std::string_view kSuffix = ".pool";

static_assert(9 + FormattedNumber::kCapacity == kNumberBytes);

// `out` is zero.
void encode_number(std::byte* out, const ringpool::PoolNumber& number, bool draining) noexcept {
    const std::string_view text = number.formatted.view();
    store_at(out, number.number.digits());
    store_at(out + 8, static_cast<std::uint8_t>(text.size() | (draining ? kDraining : 0u)));
    std::memcpy(out + 9, text.data(), text.size());
}

// Nothing where the text is longer than it may be.
std::optional<StoredNumber> decode_number(const std::byte* in) noexcept {
    const auto size_and_flag = load_at<std::uint8_t>(in + 8);
    const std::size_t size = size_and_flag & ~kDraining;
    if (size > FormattedNumber::kCapacity) return std::nullopt;
    char text[FormattedNumber::kCapacity];
    std::memcpy(text, in + 9, size);
    return StoredNumber{{PhoneNumber::from_digits(load_at<std::uint64_t>(in)),
                         FormattedNumber(std::string_view(text, size))},
                        (size_and_flag & kDraining) != 0};
}

std::uint32_t seconds_of(std::chrono::seconds time) noexcept {
    return static_cast<std::uint32_t>(time.count());
}

Error damaged(const char* what) {
    return {ErrorCode::damaged, what};
}

std::optional<std::string> take_text(std::span<const std::byte>& rest) {
    if (rest.size() < 4) return std::nullopt;
    const std::size_t size = load_at<std::uint32_t>(rest.data());
    rest = rest.subspan(4);
    if (rest.size() < size) return std::nullopt;
    std::string text(reinterpret_cast<const char*>(rest.data()), size);
    rest = rest.subspan(size);
    return text;
}

Result<PoolDefinition> decode_definition(std::span<const std::byte> bytes) {
    constexpr const char* kNonsense = "has a definition without sense";
    if (bytes.size() < kFixedBytes) return damaged(kNonsense);
    const auto seconds_at = [&](std::size_t offset) {
        return std::chrono::seconds(load_at<std::uint32_t>(bytes.data() + offset));
    };
    PoolDefinition pool;
    pool.lifetime = seconds_at(0);
    pool.cooldown = seconds_at(4);
    pool.max_hold = seconds_at(8);
    pool.allow_overflow = load_at<std::uint32_t>(bytes.data() + 12) == kOverflowAllowed;
    const auto overflow = decode_number(bytes.data() + 16);
    if (!overflow) return damaged(kNonsense);
    pool.overflow = overflow->number;
    auto rest = bytes.subspan(kFixedBytes);
    for (std::string* const text :
         {&pool.id, &pool.name, &pool.key, &pool.tracking_url, &pool.default_region}) {
        auto taken = take_text(rest);
        if (!taken) return damaged(kNonsense);
        *text = *std::move(taken);
    }
    if (!rest.empty() || !pool.validate()) return damaged(kNonsense);
    return pool;
}

}  // namespace

std::vector<std::byte> encode_pool(const StoredPool& pool) {
    const PoolDefinition& definition = pool.definition;
    const std::array<std::string_view, 5> texts = {definition.id, definition.name, definition.key,
                                                   definition.tracking_url,
                                                   definition.default_region};
    std::size_t definition_bytes = kFixedBytes;
    for (const std::string_view text : texts) definition_bytes += 4 + text.size();
    std::vector<std::byte> bytes(kHeaderBytes + definition_bytes +
                                 kNumberBytes * pool.numbers.size());

    std::byte* at = bytes.data();
    std::memcpy(at, kMagic.data(), kMagic.size());
    store_at(at + 8, kVersion);
    store_at(at + 16, static_cast<std::uint32_t>(pool.numbers.size()));
    store_at(at + 20, static_cast<std::uint32_t>(definition_bytes));
    at += kHeaderBytes;
    store_at(at, seconds_of(definition.lifetime));
    store_at(at + 4, seconds_of(definition.cooldown));
    store_at(at + 8, seconds_of(definition.max_hold));
    store_at(at + 12, definition.allow_overflow ? kOverflowAllowed : 0);
    encode_number(at + 16, definition.overflow, false);
    at += kFixedBytes;
    for (const std::string_view text : texts) {
        store_at(at, static_cast<std::uint32_t>(text.size()));
        std::ranges::copy(std::as_bytes(std::span(text)), at + 4);
        at += 4 + text.size();
    }
    for (const StoredNumber& number : pool.numbers) {
        encode_number(at, number.number, number.draining);
        at += kNumberBytes;
    }
    store_at(bytes.data() + 12, crc32c(std::span<const std::byte>(bytes).subspan(16)));
    return bytes;
}

namespace {

/// What a header says.
struct Header {
    std::size_t numbers;
    std::size_t definition_bytes;
};

Result<Header> decode_header(std::span<const std::byte> bytes) {
    if (bytes.size() < kHeaderBytes) return damaged("is too short for a pool");
    const std::byte* const at = bytes.data();
    if (std::memcmp(at, kMagic.data(), kMagic.size()) != 0) {
        return damaged("does not begin like a pool");
    }
    if (load_at<std::uint32_t>(at + 8) != kVersion) {
        return damaged("has a version of the format that this program does not know");
    }
    return Header{load_at<std::uint32_t>(at + 16), load_at<std::uint32_t>(at + 20)};
}

Error damaged_file(const fs::path& path, const Error& error) {
    return {ErrorCode::damaged, "the pool's file " + path.string() + " " + error.message};
}

constexpr const char* kOfAnother = "is the file of another pool";

}  // namespace

Result<StoredPool> decode_pool(std::span<const std::byte> bytes) {
    const auto header = decode_header(bytes);
    if (!header) return header.error();
    if (load_at<std::uint32_t>(bytes.data() + 12) != crc32c(bytes.subspan(16))) {
        return damaged("has a checksum that does not match");
    }
    const auto [count, definition_bytes] = *header;
    if (count > ringpool::RingPool::kMaxNumbers ||
        bytes.size() != kHeaderBytes + definition_bytes + kNumberBytes * count) {
        return damaged("has another length than its header says");
    }
    auto definition = decode_definition(bytes.subspan(kHeaderBytes, definition_bytes));
    if (!definition) return definition.error();
    StoredPool pool{*std::move(definition), {}};
    pool.numbers.reserve(count);
    const auto numbers = bytes.subspan(kHeaderBytes + definition_bytes);
    for (std::size_t i = 0; i < numbers.size(); i += kNumberBytes) {
        const auto number = decode_number(numbers.data() + i);
        if (!number || !number->number.number) return damaged("has a number without sense");
        pool.numbers.push_back(*number);
    }
    return pool;
}

PoolFiles::PoolFiles(Disk& disk, fs::path directory)
    : disk_(disk), directory_(std::move(directory)) {}

fs::path PoolFiles::path_of(std::string_view id) const {
    return directory_ / std::string(id).append(kSuffix);
}

template <class Visit>
Result<void> PoolFiles::for_each_name(Visit&& visit) const {
    std::error_code error;
    for (fs::directory_iterator it(directory_, error), end; !error && it != end;
         it.increment(error)) {
        visit(it->path().filename().string());
    }
    if (error) return disk_error("list", directory_, error);
    return {};
}

Result<std::vector<std::string>> PoolFiles::list() const {
    std::vector<std::string> ids;
    auto listed = for_each_name([&](const std::string& name) {
        if (name.ends_with(kSuffix)) ids.push_back(name.substr(0, name.size() - kSuffix.size()));
    });
    if (!listed) return listed.error();
    std::ranges::sort(ids);
    return ids;
}

Result<void> PoolFiles::remove_unfinished(const IsMine& is_mine) const {
    const std::string suffix = unfinished(fs::path(kSuffix)).string();
    std::vector<fs::path> drafts;
    auto done = for_each_name([&](std::string_view name) {
        if (!name.ends_with(suffix)) return;
        if (is_mine(name.substr(0, name.size() - suffix.size()))) {
            drafts.push_back(directory_ / name);
        }
    });
    if (!done) return done;
    for (const fs::path& path : drafts) {
        if (const auto failed = disk_.remove(path)) return disk_error("remove", path, failed);
    }
    return {};
}

Result<std::vector<StoredPool>> PoolFiles::load() const {
    if (auto removed = remove_unfinished([](std::string_view) { return true; }); !removed) {
        return removed.error();
    }
    const auto ids = list();
    if (!ids) return ids.error();
    std::vector<StoredPool> pools;
    pools.reserve(ids->size());
    for (const std::string& id : *ids) {
        auto pool = load(id);
        if (!pool) return pool.error();
        pools.push_back(*std::move(pool));
    }
    return pools;
}

Result<std::vector<std::byte>> PoolFiles::read(std::string_view id, std::size_t max_bytes) const {
    const fs::path path = path_of(id);
    auto bytes = read_file(path, max_bytes);
    if (std::error_code error; !bytes && !fs::exists(path, error) && !error) {
        return Error{ErrorCode::not_found, "there is no file " + path.string()};
    }
    return bytes;
}

Result<StoredPool> PoolFiles::load(std::string_view id) const {
    const auto bytes = read(id, SIZE_MAX);
    if (!bytes) return bytes.error();
    auto pool = decode_pool(*bytes);
    if (pool && pool->definition.id != id) pool = damaged(kOfAnother);
    if (!pool) return damaged_file(path_of(id), pool.error());
    return pool;
}

Result<PoolDefinition> PoolFiles::load_definition(std::string_view id) const {
    const auto bytes = read(id, kHeaderBytes + kMaxDefinitionBytes);
    if (!bytes) return bytes.error();
    auto definition = [&]() -> Result<PoolDefinition> {
        const auto header = decode_header(*bytes);
        if (!header) return header.error();
        const auto rest = std::span(*bytes).subspan(kHeaderBytes);
        if (rest.size() < header->definition_bytes) {
            return damaged("has another length than its header says");
        }
        return decode_definition(rest.first(header->definition_bytes));
    }();
    if (definition && definition->id != id) definition = damaged(kOfAnother);
    if (!definition) return damaged_file(path_of(id), definition.error());
    return definition;
}

Result<void> PoolFiles::save(const StoredPool& pool) const {
    const std::vector<std::byte> bytes = encode_pool(pool);
    const fs::path path = path_of(pool.definition.id);
    const fs::path draft = unfinished(path);
    UniqueFd file;
    auto error = disk_.create(draft, file);
    if (!error) error = disk_.write_at(file.get(), bytes, 0);
    if (!error) error = disk_.sync(file.get());
    if (!error) error = disk_.rename(draft, path);
    if (!error) error = disk_.sync_directory(directory_);
    if (error) return disk_error("write", path, error);
    return {};
}

Result<void> PoolFiles::remove(std::string_view id) const {
    const fs::path path = path_of(id);
    auto error = disk_.remove(path);
    if (!error) error = disk_.sync_directory(directory_);
    if (error) return disk_error("remove", path, error);
    return {};
}

}  // namespace ringmaster::store
