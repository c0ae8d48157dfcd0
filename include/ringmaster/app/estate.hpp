#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/fleet_sockets.hpp"
#include "ringmaster/app/handover.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/shard/shared_page.hpp"
#include "ringmaster/store/data_directory.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringmaster::app {

/// What there must be before the first shard is forked, and what all of them live on until the
/// daemon is stopped, whichever program supervises them.
struct Estate {
    std::optional<store::DataDirectory> directory;  ///< locked; none where Redis is the store
    std::vector<std::uint32_t> streams;             ///< of the journal, by shard
    shard::SharedPage page;
    FleetSockets sockets;

    std::size_t shards() const noexcept { return streams.size(); }
};

/// As many as the configuration says, or as there are cores for this process.
std::size_t shard_count(const Config& config);

/// Locks the data directory, lays it out for the shards and begins the store's clock, unless Redis
/// is the store; and opens all sockets. Errors are those of DataDirectory::open(),
/// prepare_layout(), SharedPage::create() and FleetSockets::open(). Blocks.
Result<Estate> prepare(const Config& config, const Clock& clock, Log& log);

/// Goes on with what another program has prepared. ErrorCode::invalid where the page is not one
/// that this program knows.
Result<Estate> inherit(const Handover& handover);

/// The settings that go with an estate: a program that inherits it has to live with them.
std::vector<Setting> settings_of_estate(const Config& config);
/// Puts those of the predecessor in the place of the configuration's own. Returns the names of
/// those that differed, as different_settings() has them.
std::string keep_settings(const std::vector<Setting>& kept, Config& config);

}  // namespace ringmaster::app
