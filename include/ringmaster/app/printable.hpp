#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// `text` made fit for a terminal and for a log of which every record is one line: control
/// characters and bytes that are not UTF-8 are written as \n, \r, \t or \xNN. What exceeds
/// `max_bytes` (of `text`) is cut off, which three dots tell.
std::string printable(std::string_view text, std::size_t max_bytes = std::string_view::npos);

}  // namespace ringmaster::app
