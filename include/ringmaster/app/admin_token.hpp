#pragma once

#include "ringmaster/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// What a good admin token is, for messages that name what is expected.
inline constexpr const char* kGoodAdminToken =
    "16 to 128 printable ASCII characters without blanks";

bool is_good_admin_token(std::string_view token) noexcept;

/// The first line of a file. ErrorCode::invalid, without a word of what stands there, where it is
/// not a good token; otherwise as read_file().
Result<std::string> read_admin_token(const std::filesystem::path& file);

}  // namespace ringmaster::app
