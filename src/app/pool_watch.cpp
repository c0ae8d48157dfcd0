#include "ringmaster/app/pool_watch.hpp"

#include <utility>

namespace ringmaster::app {

void PoolStandings::add(const std::string& id, const ringpool::PoolFigures& figures,
                        std::size_t max_pools) {
    if (pools.size() < max_pools) {
        pools.push_back({id, figures});
    } else {
        ++left_out;
        of_rest += figures;
    }
}

PoolWatch::PoolWatch(runtime::Scheduler& scheduler, ringpool::PoolAdministration& pools,
                     std::function<std::vector<std::string>()> ids, Options options)
    : scheduler_(scheduler),
      pools_(pools),
      ids_(std::move(ids)),
      options_(options),
      walked_(scheduler) {}

PoolStandings PoolWatch::look() {
    if (!walking_ && !closed_ && scheduler_.precise_now() >= rest_until_) {
        // Who asks may be cancelled, or not want to wait for so long.
        walking_ = static_cast<bool>(scheduler_.spawn("pool figures", [this] { walk(); }));
    }
    const Deadline patience = Deadline::at(scheduler_.now() + options_.patience);
    while (walking_ && walked_.wait(patience) == runtime::WakeReason::notified) {
    }
    return standings_;
}

void PoolWatch::close() {
    closed_ = true;
    while (walking_) walked_.wait();
}

void PoolWatch::walk() {
    const struct Walk {
        PoolWatch& watch;
        ~Walk() {
            watch.walking_ = false;
            watch.walked_.notify_all();
        }
    } walk{*this};
    const SteadyTime began = scheduler_.precise_now();
    PoolStandings standings;
    for (const std::string& id : ids_()) {
        if (closed_) break;
        const auto figures = pools_.figures(id);
        if (!figures) {
            if (figures.error().code == ErrorCode::not_found) continue;  // deleted meanwhile
            standings = {};  // the store does not answer
            break;
        }
        standings.add(id, *figures, options_.max_pools);
    }
    standings_ = std::move(standings);
    const SteadyTime ended = scheduler_.precise_now();
    rest_until_ = ended + options_.rest_factor * (ended - began);
}

}  // namespace ringmaster::app
