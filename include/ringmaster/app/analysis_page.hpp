#pragma once

#include "ringmaster/ops/analysis.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// What analysis_text() says, as one HTML document with plots: it has no scripts and loads nothing,
/// so it may be mailed and printed. Names in it are text, whatever they contain.
std::string analysis_html(const ops::Analysis& analysis, const std::vector<std::string>& notes);

/// The document without what an analysis says, which stands before the end of its body.
std::string_view analysis_page_frame() noexcept;

}  // namespace ringmaster::app
