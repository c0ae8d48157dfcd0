#pragma once

#include "ringmaster/app/config.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config_key.hpp"

namespace ringmaster::app {

/// Every section but [[pool]]: all keys, with units, defaults and bounds.
std::vector<Section> config_sections(Config& config, const std::filesystem::path& base);

/// A [[pool]]. The overflow number can be read only when the default region is known.
Section pool_section(PoolConfig& pool, std::string& overflow_number,
                     const std::filesystem::path& base);

inline constexpr std::string_view kGoodRedisUrl =
    "\"\" or a URL that begins with redis://, redis+unix://, redis+sentinel:// or "
    "redis+cluster:// (TLS is not spoken)";

}  // namespace ringmaster::app
