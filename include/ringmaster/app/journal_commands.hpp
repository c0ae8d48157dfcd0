#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/console.hpp"
#include "ringmaster/store/journal_inspection.hpp"

#include <filesystem>
#include <string>

namespace ringmaster::app {

/// A finding as people are told: "FILE:OFFSET: damaged: WHAT".
std::string told(const store::InspectionFinding& finding);

/// Reads every journal file and snapshot in `data_dir`, beside a running daemon too, and tells what
/// is damaged, by file and offset. kFailed where anything is; a torn tail is not damage.
ExitCode verify_journal(const std::filesystem::path& data_dir, Console& console, bool json);

/// Writes a line for each record of the journal, oldest first; as JSON, an object a line. Damage is
/// told as above, and what can be read behind it is written.
ExitCode dump_journal(const std::filesystem::path& data_dir, Console& console, bool json);

}  // namespace ringmaster::app
