#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ringpool {

struct NumberImportLimits {
    std::size_t max_lines = 10'000'000;  ///< blank lines and comments count
    std::size_t max_line_bytes = 4096;   ///< of one row, which may span lines inside quotes
};

/// A line that gave no number.
struct RefusedLine {
    std::size_t line;    ///< counted from 1; the first one of a row that spans several
    std::string text;    ///< the line, cut to a readable length
    std::string reason;  ///< for people, e.g. "too short to be a number"
};

struct NumberImport {
    std::vector<PoolNumber> numbers;   ///< accepted, each once, in order
    std::vector<std::size_t> lines;    ///< of the same index: where each stood, counted from 1
    std::vector<RefusedLine> refused;  ///< in order
};

/// Reads a list of numbers: one per line, or CSV (RFC 4180). In CSV the number stands in the
/// column that the first row calls number, phone, phone_number or e164 (in any case), else in the
/// first. Blank lines and lines that start with # are skipped. A number may be written in any usual
/// way; one without a country code is taken for one of `default_region` ("US"). Numbers that are
/// not valid in their numbering plan, or that stood on an earlier line, are refused.
///
/// Fails with ErrorCode::invalid, as a whole, where `default_region` is unknown or there are too
/// many lines.
Result<NumberImport> import_numbers(std::string_view text, std::string_view default_region,
                                    const NumberImportLimits& limits = {});

/// Reads one number by the same rules. Fails with ErrorCode::invalid and the reason.
Result<PoolNumber> import_number(std::string_view text, std::string_view default_region);

}  // namespace ringmaster::ringpool
