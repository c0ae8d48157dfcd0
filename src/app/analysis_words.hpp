#pragma once

#include "ringmaster/ops/analysis.hpp"

#include <string>
#include <string_view>
#include <vector>

/// How an analysis is put to people: what its text and its page have in common.
namespace ringmaster::app {

/// One of the parts of a request's time.
struct Part {
    std::string_view name;
    std::string_view says;   ///< what it is
    std::string_view block;  ///< the character that bars of it are made of
    double ops::TimeParts::*seconds;
};
/// Those that requests of this analysis had, and running and stalled in any case, in the order in
/// which they stand everywhere.
std::vector<Part> parts_of(const ops::Analysis& analysis);

/// Where each part ends, if they stand side by side in `width`. All 0 where there is no time.
std::vector<double> part_ends(const ops::TimeParts& times, const std::vector<Part>& parts,
                              double width);
/// With the time before they came to the shard.
double with_queue(const ops::TimeParts& times) noexcept;

/// The share of these requests' time in that of all.
double share_of_time(const ops::RequestTimes& times, const ops::Analysis& analysis) noexcept;

/// Between 0 and 1, whatever `value` is.
double share(double value) noexcept;

// Three significant digits, at most seven characters in any usual case.
std::string number_text(double number);
std::string duration_text(double seconds);  ///< "12.3 us", "1.23 ms", "123 s", "2.78 h"
std::string percent_text(double share);     ///< "12.3 %"
std::string times_text(double times);       ///< of a load; "2.33", "> 999"

std::string observed_text(double seconds);  ///< in whole seconds, "1 h 20 min"

std::string band_name(const ops::Band& band);  ///< "p99-99.9"
std::string_view zone_name(ops::Zone zone) noexcept;
/// When it was, and of how much of that: for a line of its own. Empty where nothing was observed.
std::string when_text(const ops::Analysis& analysis);

/// What the settings should be, by name.
struct Need {
    std::string_view what;
    std::string value;
};
std::vector<Need> needs_of(const ops::Analysis& analysis);

}  // namespace ringmaster::app
