#include "ringmaster/redis/load_watch.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::redis {

LoadWatch::LoadWatch(runtime::Scheduler& scheduler, Client& client,
                     std::chrono::milliseconds period)
    : scheduler_(scheduler),
      client_(client),
      period_(period),
      random_(std::random_device()()),
      fibers_(scheduler) {}

Result<void> LoadWatch::start() {
    if (auto pass = fibers_.enter()) {
        task_ = scheduler_.spawn("redis load", [this, pass = *std::move(pass)] { watch(); });
        if (task_) return {};
    }
    return Error{ErrorCode::unavailable, "there is no fiber to watch the load of Redis"};
}

void LoadWatch::stop() {
    task_.cancel("the load of Redis is not watched any more");
    fibers_.close();
}

void LoadWatch::watch() {
    std::uniform_int_distribution<std::chrono::milliseconds::rep> pause(period_.count() / 2,
                                                                        period_.count());
    while (true) {
        const SteadyTime next = scheduler_.now() + std::chrono::milliseconds(pause(random_));
        ask_all();
        scheduler_.sleep_until(next);
    }
}

void LoadWatch::ask_all() {
    static const Command kQuestion{"INFO", "server", "cpu"};
    // All are asked at once, so this is when; answers wait for the slowest server's.
    const SteadyTime asked = scheduler_.precise_now();
    for (const auto& [server, answer] :
         client_.ask_primaries(kQuestion.bytes(), Deadline::at(asked + kTimeout))) {
        if (!answer) continue;
        if (auto usage = parse_cpu_usage(*answer)) take(server.text(), asked, *std::move(usage));
    }
}

void LoadWatch::take(const std::string& name, SteadyTime asked, CpuUsage usage) {
    const auto name_of = [](const Watched& watched) -> const std::string& {
        return watched.load.name;
    };
    auto server = std::ranges::find(servers_, name, name_of);
    if (server == servers_.end()) {
        if (servers_.size() == kMostServers) {
            servers_.erase(std::ranges::min_element(servers_, {}, &Watched::asked));
        }
        servers_.push_back({{.name = name}, asked, std::move(usage)});
        return;
    }
    const auto busy = usage.main_thread - server->usage.main_thread;
    if (usage.run_id == server->usage.run_id && busy.count() >= 0) {
        server->load.observed += asked - server->asked;
        server->load.busy += busy;
    }
    server->asked = asked;
    server->usage = std::move(usage);
}

std::vector<ServerLoad> LoadWatch::loads() const {
    std::vector<ServerLoad> loads;
    loads.reserve(servers_.size());
    for (const Watched& server : servers_) loads.push_back(server.load);
    return loads;
}

}  // namespace ringmaster::redis
