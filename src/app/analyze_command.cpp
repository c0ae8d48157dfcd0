#include "ringmaster/app/analyze_command.hpp"

#include "ringmaster/app/analysis_page.hpp"
#include "ringmaster/app/analysis_report.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/ops/analysis.hpp"
#include "ringmaster/ops/shard_profile.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "time_range.hpp"

namespace ringmaster::app {
namespace {

using ops::ShardProfile;

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 30;

/// What is to be analysed, and what must be known of it.
struct Material {
    std::vector<ShardProfile> profiles;
    std::vector<std::string> notes;
};

Result<void> write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (file) return {};
    return Error{ErrorCode::unavailable, printable(path) + " can't be written"};
}

ExitCode tell(const Material& material, const AnalyzeSettings& settings, Console& console) {
    const ops::Analysis analysis =
        ops::analyse(material.profiles, {.reserve = settings.reserve_percent / 100.0});
    if (!settings.html.empty()) {
        const auto written = write_file(settings.html, analysis_html(analysis, material.notes));
        if (!written) return fail(console, written.error());
    }
    console.out << (settings.json ? analysis_json(analysis, material.notes)
                                  : analysis_text(analysis, material.notes));
    return kDone;
}

// --- a running daemon ---------------------------------------------------------------------------

Result<ops::DecodedProfiles> ask_profiles(const AskAdmin& ask) {
    const auto answer = ask({.method = "GET", .target = "/profile"});
    if (!answer) return answer.error();
    if (answer->status / 100 != 2) return error_of(*answer);
    auto decoded = ops::decode_profiles(answer->body);
    if (decoded && decoded->torn) {
        return Error{ErrorCode::damaged, "the daemon's profiles are not whole"};
    }
    return decoded;
}

void watch(Console& console, std::chrono::seconds time) {
    Progress progress(console, "watching");
    const auto seconds = static_cast<std::uint64_t>(time.count());
    for (std::uint64_t second = 0; second < seconds; ++second) {
        progress.show(second, seconds);
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
}

std::vector<std::string> notes_of_missing(const ops::DecodedProfiles& answer) {
    std::vector<std::string> notes;
    for (const std::uint32_t shard : answer.missing) {
        notes.push_back("shard " + std::to_string(shard) + " has not answered, and is left out");
    }
    return notes;
}

/// What each shard has done since its start.
Material since_start(const ops::DecodedProfiles& answer) {
    Material material{answer.profiles, notes_of_missing(answer)};
    material.notes.emplace_back("since the start of each shard");
    return material;
}

/// What each shard has done between two answers.
Material between(const ops::DecodedProfiles& before, const ops::DecodedProfiles& after) {
    Material material{{}, notes_of_missing(after)};
    for (const ShardProfile& now : after.profiles) {
        const auto earlier = std::ranges::find(before.profiles, now.shard, &ShardProfile::shard);
        if (earlier == before.profiles.end() || earlier->started != now.started) {
            material.notes.push_back("shard " + std::to_string(now.shard) +
                                     " was not there at the beginning: since its start");
            material.profiles.push_back(now);
        } else {
            material.profiles.push_back(now.since(*earlier));
        }
    }
    return material;
}

// --- files --------------------------------------------------------------------------------------

bool is_profile(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    return name.ends_with(".profile") || name.ends_with(".profile.old");
}

/// In an order that is always the same; of a directory those in it that are profiles.
Result<std::vector<std::filesystem::path>> find_files(const std::vector<std::string>& named) {
    std::vector<std::filesystem::path> files;
    for (const std::string& name : named) {
        std::error_code error;
        if (!std::filesystem::is_directory(name, error)) {
            files.emplace_back(name);
            continue;
        }
        const std::size_t before = files.size();
        for (const auto& entry : std::filesystem::directory_iterator(name, error)) {
            if (is_profile(entry.path())) files.push_back(entry.path());
        }
        if (error) return Error{ErrorCode::unavailable, printable(name) + ": " + error.message()};
        if (files.size() == before) {
            return Error{ErrorCode::not_found, "in " + printable(name) + " is no *.profile"};
        }
    }
    std::ranges::sort(files);
    return files;
}

bool overlaps(const TimeRange& range, const ShardProfile& profile) {
    return (!range.from || profile.end > *range.from) && (!range.to || profile.begin < *range.to);
}

Result<Material> read_profiles(const std::vector<std::filesystem::path>& files,
                               const TimeRange& range) {
    Material material;
    for (const auto& file : files) {
        const auto text = read_file(file, kMaxFileBytes);
        if (!text) return text.error();
        auto decoded = ops::decode_profiles(*text);
        const std::string name = printable(file.string());
        if (!decoded) return Error{decoded.error().code, name + ": " + decoded.error().message};
        if (decoded->torn) material.notes.push_back(name + ": the last profile is not whole");
        for (ShardProfile& profile : decoded->profiles) {
            if (overlaps(range, profile)) material.profiles.push_back(std::move(profile));
        }
    }
    if (material.profiles.empty()) {
        return Error{ErrorCode::not_found, "there is no profile of that time"};
    }
    return material;
}

}  // namespace

ExitCode analyze_daemon(const AskAdmin& ask, const AnalyzeSettings& settings, Console& console) {
    ops::DecodedProfiles before;
    if (settings.seconds > 0) {
        auto asked = ask_profiles(ask);
        if (!asked) return fail(console, asked.error());
        before = *std::move(asked);
        watch(console, std::chrono::seconds(settings.seconds));
    }
    const auto after = ask_profiles(ask);
    if (!after) return fail(console, after.error());
    return tell(settings.seconds > 0 ? between(before, *after) : since_start(*after), settings,
                console);
}

ExitCode analyze_files(const AnalyzeSettings& settings, Console& console) {
    const auto range = read_time_range(settings.from, settings.to);
    if (!range) {
        console.err << range.error().message << '\n';
        return kUsage;
    }
    const auto files = find_files(settings.files);
    if (!files) return fail(console, files.error());
    const auto material = read_profiles(*files, *range);
    if (!material) return fail(console, material.error());
    return tell(*material, settings, console);
}

}  // namespace ringmaster::app
