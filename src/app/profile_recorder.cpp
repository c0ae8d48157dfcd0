#include "ringmaster/app/profile_recorder.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace ringmaster::app {

ProfileRecorder::ProfileRecorder(Parts parts, ProfileOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      path_(options_.directory / ("shard-" + std::to_string(parts_.shard) + ".profile")),
      told_to_stop_(parts_.scheduler) {}

void ProfileRecorder::run() {
    if (!options_.record) return;
    recorded_ = parts_.take();
    while (!told_to_stop_.wait(Deadline::at(parts_.scheduler.now() + options_.period))) record();
    record();
}

void ProfileRecorder::record() {
    ops::ShardProfile now = parts_.take();
    const auto appended = parts_.helper.run([&] {
        std::string text;
        ops::append_profile(text, now.since(recorded_));
        return append(text);
    });
    if (appended) {
        recorded_ = std::move(now);
        told_.clear();
    } else if (told_ != appended.error().message) {
        // A full disk is full for a while.
        told_ = appended.error().message;
        parts_.log.warning("the profile is not recorded: " + told_);
    }
}

// On the helper thread, as all below; meanwhile run() waits.
Result<void> ProfileRecorder::append(const std::string& text) {
    if (!bytes_) {
        const auto bytes = mend();
        if (!bytes) return bytes.error();
        bytes_ = *bytes;
    }
    if (*bytes_ > 0 && *bytes_ + text.size() > options_.max_bytes / 2) {
        if (auto begun = begin_file(); !begun) return begun;
    }
    auto written = write(text, *bytes_);
    if (written) {
        *bytes_ += text.size();
    } else {
        bytes_.reset();
    }
    return written;
}

/// Of a file that is there, cuts off what is not whole; returns its length.
Result<std::uint64_t> ProfileRecorder::mend() {
    if (auto made = store::make_directory(parts_.disk, options_.directory); !made) {
        return made.error();
    }
    std::error_code error;
    if (!std::filesystem::exists(path_, error)) {
        store::UniqueFd file;
        if (const auto failed = parts_.disk.create(path_, file)) {
            return store::disk_error("create", path_, failed);
        }
        return std::uint64_t{0};
    }
    const auto bytes = store::read_file(path_, options_.max_bytes);
    if (!bytes) return bytes.error();
    constexpr std::string_view kEnd = "\nend\n";
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    const std::size_t last = text.rfind(kEnd);
    const std::size_t good = last == text.npos ? 0 : last + kEnd.size();
    store::UniqueFd file;
    if (const auto failed = parts_.disk.open(path_, file)) {
        return store::disk_error("open", path_, failed);
    }
    if (const auto failed = parts_.disk.truncate(file.get(), good)) {
        return store::disk_error("shorten", path_, failed);
    }
    return std::uint64_t{good};
}

Result<void> ProfileRecorder::begin_file() {
    if (const auto failed = parts_.disk.rename(path_, path_.string() + ".old")) {
        return store::disk_error("rename", path_, failed);
    }
    bytes_.reset();
    const auto bytes = mend();
    if (!bytes) return bytes.error();
    bytes_ = *bytes;
    return {};
}

Result<void> ProfileRecorder::write(const std::string& text, std::uint64_t at) {
    store::UniqueFd file;
    if (const auto failed = parts_.disk.open(path_, file)) {
        return store::disk_error("open", path_, failed);
    }
    const auto bytes = std::as_bytes(std::span(text));
    if (const auto failed = parts_.disk.write_at(file.get(), bytes, at)) {
        return store::disk_error("write", path_, failed);
    }
    return {};
}

}  // namespace ringmaster::app
