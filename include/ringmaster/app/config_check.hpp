#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/console.hpp"

#include <filesystem>

namespace ringmaster::app {

/// Reads a configuration and the files that it names, and tells all that is wrong with them, a line
/// each; warnings begin with "warning: ". Returns whether it can be served. Refused numbers are
/// only warnings: one bad line must not keep all pools from being served. Where it is to take the
/// place of `running`, it is told too which settings a reload does not change. Blocks.
bool check_config(const std::filesystem::path& file, Console& console,
                  const Config* running = nullptr);

}  // namespace ringmaster::app
