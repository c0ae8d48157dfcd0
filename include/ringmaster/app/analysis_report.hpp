#pragma once

#include "ringmaster/ops/analysis.hpp"

#include <string>
#include <vector>

/// What an analysis of shards' measurements says. `notes` are sentences, without their stops, on
/// what must be known of it and is not in it. No figure is written as a number that is none.
namespace ringmaster::app {

/// For people at a terminal: UTF-8, lines of at most 100 characters that end with "\n", none of
/// which controls the terminal, whatever the names of pools and endpoints are.
std::string analysis_text(const ops::Analysis& analysis, const std::vector<std::string>& notes);

/// For programs: one JSON document with all of it. Seconds have names that end in "_s", shares are
/// from 0 to 1, and what is infinite or not known is null.
std::string analysis_json(const ops::Analysis& analysis, const std::vector<std::string>& notes);

}  // namespace ringmaster::app
