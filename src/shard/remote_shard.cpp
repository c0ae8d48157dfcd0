#include "ringmaster/shard/remote_shard.hpp"

#include <algorithm>
#include <utility>

#include "ask.hpp"

namespace ringmaster::shard {

using ringpool::NumbersChange;

namespace {

/// A pool may have millions of numbers; of so many at a time is asked where others know them, so
/// that neither shard is at it for long at a stretch.
constexpr std::size_t kNumbersPerLookUp = 65'536;

}  // namespace

class RemoteShard::Pools final : public ringpool::PoolAdministration {
  public:
    Pools(PeerLink& link, std::chrono::milliseconds timeout) noexcept
        : link_(link), timeout_(timeout) {}

    Result<bool> put_pool(ringpool::PoolDefinition definition) override {
        return call(PutPoolCall{std::move(definition)});
    }
    Result<void> remove_pool(std::string_view id) override { return call(RemovePoolCall{id}); }
    Result<NumbersChange> edit_numbers(std::string_view id, ringpool::NumbersEdit edit) override {
        return call(EditNumbersCall{id, std::move(edit)});
    }
    Result<NumbersChange> set_numbers(std::string_view id,
                                      std::vector<ringpool::PoolNumber> wanted) override {
        return call(SetNumbersCall{id, std::move(wanted)});
    }
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override {
        return call(NumbersCall{id, from, max});
    }
    Result<ringpool::PoolFigures> figures(std::string_view id) override {
        return call(FiguresCall{id});
    }

  private:
    template <class Call>
    Result<typename Call::Answer> call(const Call& call) {
        return ask(link_, call, Deadline::at(link_.scheduler().now() + timeout_));
    }

    PeerLink& link_;
    const std::chrono::milliseconds timeout_;
};

class RemoteShard::Events final : public ringpool::EventSource {
  public:
    explicit Events(PeerLink& link) noexcept : link_(link) {}

    Result<ringpool::EventBatch> read(const ringpool::EventQuery& query,
                                      Deadline deadline) override {
        return ask(link_, EventsCall{query}, deadline);
    }

  private:
    PeerLink& link_;
};

RemoteShard::RemoteShard(runtime::Reactor& reactor, Log& log, const ringpool::Catalog& catalog,
                         const RemoteShardOptions& options, const PeerLink::Connect& connect)
    : requests_(reactor, log, options.link, connect),
      others_(reactor, log, options.link, connect),
      store_(catalog, requests_, options.store),
      pools_(std::make_unique<Pools>(others_, options.pools_timeout)),
      events_(std::make_unique<Events>(others_)) {}

RemoteShard::~RemoteShard() = default;

ringpool::PoolAdministration& RemoteShard::pools() noexcept {
    return *pools_;
}

ringpool::EventSource& RemoteShard::events() noexcept {
    return *events_;
}

Result<HoldersFound> RemoteShard::holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                          std::size_t max, Deadline deadline) {
    return ask(others_, HoldersCall{number, at, max}, deadline);
}

Result<std::size_t> RemoteShard::erase(std::string_view session_id, Deadline deadline) {
    return ask(others_, EraseCall{session_id}, deadline);
}

Result<std::vector<store::NumberKnowledge>> RemoteShard::look_up(
    std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) {
    std::vector<store::NumberKnowledge> known;
    while (!numbers.empty()) {
        const auto some = numbers.first(std::min(numbers.size(), kNumbersPerLookUp));
        numbers = numbers.subspan(some.size());
        auto found = ask(others_, LookUpCall{{some.begin(), some.end()}}, deadline);
        if (!found) return found;
        std::ranges::move(*found, std::back_inserter(known));
    }
    return known;
}

Result<void> RemoteShard::sweep(std::string_view pool_id, Deadline deadline) {
    return ask(others_, SweepCall{pool_id}, deadline);
}

Result<OverflowCounts> RemoteShard::overflow_counts(std::string_view pool_id, Deadline deadline) {
    return ask(others_, OverflowCountsCall{pool_id}, deadline);
}

Result<std::vector<ops::DemandHour>> RemoteShard::demand(std::string_view pool_id,
                                                         Deadline deadline) {
    return ask(others_, DemandCall{pool_id}, deadline);
}

Result<std::string> RemoteShard::report(Deadline deadline) {
    return ask(others_, ReportCall{}, deadline);
}

Result<std::string> RemoteShard::profile(Deadline deadline) {
    return ask(others_, ProfileCall{}, deadline);
}

RemoteShardStats RemoteShard::stats() const noexcept {
    return {requests_.stats(), others_.stats(), store_.stats()};
}

}  // namespace ringmaster::shard
