#pragma once

#include "ringmaster/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>

namespace ringmaster::app {

/// The bytes of a file that is read as a whole, at start. Fails with ErrorCode::not_found, and a
/// text "FILE: why", where it can't be read; with ErrorCode::invalid where it has more than
/// `max_bytes`.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace ringmaster::app
