#include "ringmaster/app/estate.hpp"

#include "ringmaster/app/process_figures.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/layout.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <string_view>
#include <utility>

namespace ringmaster::app {
namespace {

using store::UniqueFd;

constexpr std::string_view kListen = "[server] listen";
constexpr std::string_view kRunDir = "[server] run_dir";
constexpr std::string_view kPidFile = "[server] pid_file";
constexpr std::string_view kDataDir = "[store] data_dir";
// Two stores at one time would hand out each number twice.
constexpr std::string_view kRedisUrl = "[redis] url";
constexpr std::string_view kRedisPrefix = "[redis] prefix";
constexpr std::array kOfEstate = {kListen,
                                  std::string_view("[server] shards"),
                                  std::string_view("[server] shard_listen"),
                                  kRunDir,
                                  kPidFile,
                                  kDataDir,
                                  kRedisUrl,
                                  kRedisPrefix};

Result<void> prepare_directory(const Config& config, const Clock& clock, Log& log, Estate& estate) {
    const std::size_t shards = estate.streams.size();
    store::Disk disk;
    auto directory = store::DataDirectory::open(disk, config.store.directory);
    if (!directory) return directory.error();
    const shard::Placement placement(shards);
    auto layout = store::prepare_layout(
        disk, *directory, shards, [&](std::string_view id) { return placement.owner(id); }, log);
    if (!layout) return layout.error();
    const auto hold_clock = store::common_hold_clock(*directory, *layout, clock.steady_now(),
                                                     clock.wall_now(), store::BootTime::read());
    if (!hold_clock) return hold_clock.error();
    estate.directory = *std::move(directory);
    estate.streams = std::move(layout->streams);
    estate.page.contents().hold_clock = *hold_clock;
    return {};
}

}  // namespace

std::size_t shard_count(const Config& config) {
    if (config.shards != 0) return config.shards;
    return std::clamp<std::size_t>(usable_cores(), 1, shard::Placement::kMaxShards);
}

Result<Estate> prepare(const Config& config, const Clock& clock, Log& log) {
    const std::size_t shards = shard_count(config);
    auto page = shard::SharedPage::create(shards);
    if (!page) return page.error();
    Estate estate{{}, std::vector<std::uint32_t>(shards), *std::move(page), {}};
    // First: who has it may also have the sockets, and is the better name for what is in the way.
    if (!config.redis.enabled()) {
        if (auto prepared = prepare_directory(config, clock, log, estate); !prepared) {
            return prepared.error();
        }
    }
    auto sockets = FleetSockets::open({.listen = config.listen,
                                       .shard_listen = config.shard_listen,
                                       .run_dir = config.run_dir,
                                       .backlog = config.server.backlog,
                                       .shards = shards});
    if (!sockets) return sockets.error();
    estate.sockets = *std::move(sockets);
    return estate;
}

Result<Estate> inherit(const Handover& handover) {
    auto page = shard::SharedPage::attach(handover.page);
    if (!page) return page.error();
    const auto data_dir = std::ranges::find(handover.settings, kDataDir, &Setting::name);
    if (page->shard_count() != handover.shards.size() || data_dir == handover.settings.end()) {
        return Error{ErrorCode::invalid, "what the predecessor has handed over does not fit"};
    }
    Estate estate{{}, {}, *std::move(page), {}};
    if (handover.lock) {
        auto directory = store::DataDirectory::adopt(data_dir->value, *handover.lock);
        if (!directory) return directory.error();
        estate.directory = *std::move(directory);
    }
    for (const Handover::Shard& shard : handover.shards) {
        estate.streams.push_back(shard.stream);
        estate.sockets.public_sockets.emplace_back(shard.public_socket);
        estate.sockets.own_sockets.emplace_back(shard.own_socket);
        estate.sockets.peer_sockets.emplace_back(shard.peer_socket);
    }
    estate.sockets.control = UniqueFd(handover.control);
    return estate;
}

std::vector<Setting> settings_of_estate(const Config& config) {
    std::vector<Setting> settings;
    for (const Setting& setting : config.settings) {
        if (std::ranges::find(kOfEstate, setting.name) != kOfEstate.end()) {
            settings.push_back(setting);
        }
    }
    return settings;
}

std::string keep_settings(const std::vector<Setting>& kept, Config& config) {
    std::string names;
    for (const Setting& old : kept) {
        const auto fresh = std::ranges::find(config.settings, old.name, &Setting::name);
        if (fresh == config.settings.end() || *fresh == old) continue;
        names.append(names.empty() ? "" : ", ") += old.name;
        fresh->value = old.value;
        if (old.name == kRunDir) config.run_dir = old.value;
        if (old.name == kPidFile) config.pid_file = old.value;
        if (old.name == kDataDir) config.store.directory = old.value;
        if (old.name == kRedisUrl) config.redis.set_url(old.value);
        if (old.name == kRedisPrefix) config.redis.prefix = old.value;
        if (old.name != kListen) continue;
        if (auto listen = net::parse_endpoint(old.value)) config.listen = *listen;
    }
    return names;
}

}  // namespace ringmaster::app
