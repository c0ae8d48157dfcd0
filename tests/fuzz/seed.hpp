#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

/// For tests: what they feed to the code is where its fuzzers begin.
namespace ringmaster::fuzz {

/// Larger inputs only make fuzzing slow.
inline constexpr std::size_t kMaxSeedBytes = 4096;

/// The environment's RINGMASTER_SEEDS: the directory where seeds are to be kept, or null.
inline const char* seeds_directory() noexcept {
    return std::getenv("RINGMASTER_SEEDS");
}

/// Keeps `input` for the fuzz target `target` in a file of its own there, where it is wanted.
inline void keep_seed(std::string_view target, std::string_view input) {
    const char* const root = seeds_directory();
    if (root == nullptr || input.size() > kMaxSeedBytes) return;
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same name in every build
    for (const char c : input) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    char name[17];
    std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash));
    const auto directory = std::filesystem::path(root) / target;
    std::filesystem::create_directories(directory);
    std::ofstream(directory / name, std::ios::binary) << input;
}

}  // namespace ringmaster::fuzz
