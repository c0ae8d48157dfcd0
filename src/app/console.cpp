#include "ringmaster/app/console.hpp"

#include "ringmaster/app/table.hpp"

namespace ringmaster::app {
namespace {

/// Go to the begin of the line, and take away what is there (ECMA-48: EL).
constexpr std::string_view kEraseLine = "\r\x1B[K";

}  // namespace

ExitCode fail(Console& console, const Error& error) {
    console.err << error.message << '\n';
    return error.code == ErrorCode::not_found ? kNotFound : kFailed;
}

Progress::~Progress() {
    if (shown_percent_ <= 100) console_.err << kEraseLine << std::flush;
}

void Progress::show(std::uint64_t done, std::uint64_t all) {
    if (!console_.watched || all == 0) return;
    const std::uint64_t percent = done >= all ? 100 : done * 100 / all;
    if (percent == shown_percent_) return;
    shown_percent_ = percent;
    console_.err << kEraseLine << doing_ << ": " << percent << " %, " << with_thousands(done)
                 << " of " << with_thousands(all) << std::flush;
}

}  // namespace ringmaster::app
