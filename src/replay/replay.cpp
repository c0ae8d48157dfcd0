#include "ringmaster/replay/replay.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace ringmaster::replay {
namespace {

/// So often that a bar moves, and no more.
constexpr std::uint64_t kProgressRequests = 1u << 16;

class Replay {
  public:
    Replay(RequestLog& log, const ReplayOptions& options, const ReplayVisitor& visitor)
        : log_(log), options_(options), visitor_(visitor) {}

    Result<ReplayReport> run();

  private:
    void begin_pools();
    bool wanted(const std::string& id) const {
        return options_.pools.empty() || std::ranges::count(options_.pools, id) > 0;
    }
    void start_counting(WallTime now);
    void apply(const RecordedRequest& request);
    Result<ReplayReport> finish();

    RequestLog& log_;
    const ReplayOptions& options_;
    const ReplayVisitor& visitor_;
    std::vector<std::unique_ptr<PoolReplay>> pools_;  ///< by index; null: not asked for
    bool counting_ = false;
    ReplayReport report_;
};

Result<ReplayReport> Replay::run() {
    begin_pools();
    if (!options_.from) start_counting({});
    for (std::uint64_t requests = 1;; ++requests) {
        const auto request = log_.next();
        if (!request) return request.error();
        if (*request == nullptr || (options_.to && (*request)->at >= *options_.to)) break;
        apply(**request);
        if (visitor_.on_progress && requests % kProgressRequests == 0) {
            visitor_.on_progress(log_.done_bytes(), log_.all_bytes());
        }
    }
    if (!counting_) start_counting(*options_.from);
    return finish();
}

// The pools that the log has come to know.
void Replay::begin_pools() {
    const auto& pools = log_.pools();
    while (pools_.size() < pools.size()) {
        const RecordedPool& pool = pools[pools_.size()];
        pools_.push_back(wanted(pool.id) ? std::make_unique<PoolReplay>(pool, options_.changes)
                                         : nullptr);
    }
}

void Replay::start_counting(WallTime now) {
    counting_ = true;
    for (const auto& pool : pools_) {
        if (pool) pool->start(now);
    }
}

void Replay::apply(const RecordedRequest& request) {
    if (!counting_ && request.at >= *options_.from) start_counting(*options_.from);
    if (request.pool >= pools_.size()) begin_pools();
    PoolReplay* const pool = pools_[request.pool].get();
    if (pool == nullptr) return;
    if (counting_) {
        if (report_.begin == WallTime()) report_.begin = request.at;
        report_.end = request.at;
    }
    pool->apply(request, log_.pools()[request.pool].numbers);
}

Result<ReplayReport> Replay::finish() {
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        if (pools_[i]) report_.pools.push_back(pools_[i]->report(log_.pools()[i]));
    }
    std::ranges::sort(report_.pools, {}, &PoolReport::id);
    for (const std::string& id : options_.pools) {
        if (!std::ranges::binary_search(report_.pools, id, {}, &PoolReport::id)) {
            return Error{ErrorCode::not_found,
                         "there is no pool '" + id + "', and the journal names none"};
        }
    }
    report_.has_begin = log_.has_begin();
    report_.left_out = log_.left_out();
    return std::move(report_);
}

}  // namespace

Result<ReplayReport> replay(const std::filesystem::path& data_dir, const ReplayOptions& options,
                            const ReplayVisitor& visitor) {
    std::uint32_t damages = 0;
    auto log = RequestLog::open(data_dir, [&](const store::InspectionFinding& finding) {
        if (finding.damage) ++damages;
        if (visitor.on_finding) visitor.on_finding(finding);
    });
    if (!log) return log.error();
    auto report = Replay(*log, options, visitor).run();
    if (report) report->damages = damages;
    return report;
}

}  // namespace ringmaster::replay
