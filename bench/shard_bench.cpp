// What a row costs that another shard owns, on both sides together: alone what is written and read,
// and the whole way over a socket within one reactor, the kernel's part included. The other shard's
// store answers without looking.
#include "ringmaster/shard/peer_format.hpp"
#include "ringmaster/shard/peer_service.hpp"
#include "ringmaster/shard/remote_shard.hpp"

#include <cstdlib>
#include <random>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <benchmark/benchmark.h>

namespace ringmaster::shard {
namespace {

constexpr std::size_t kPools = 64;
constexpr std::size_t kRows = 40;

ringpool::Catalog make_catalog() {
    ringpool::Catalog catalog;
    for (std::size_t i = 0; i < kPools; ++i) {
        ringpool::PoolDefinition pool;
        pool.id = "pool-" + std::to_string(i);
        pool.key = "5A0C91F3";
        pool.allow_overflow = false;
        if (!catalog.put(std::move(pool))) std::abort();
    }
    return catalog;
}

/// Rows as they come from clients, with what they refer to.
struct Rows {
    explicit Rows(std::size_t count) {
        std::mt19937 random(1);
        ringpool::ContextBuilder builder({});
        sessions.reserve(count);
        contexts.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            sessions.push_back("v-" + std::to_string(random() % 1'000'000));
            const std::string click = "Cj0K" + std::to_string(random());
            builder.start();
            if (!builder.add("utm_source", "google") || !builder.add("utm_medium", "cpc") ||
                !builder.add("gclid", click)) {
                std::abort();
            }
            builder.finish(contexts.emplace_back());
            requests.push_back({static_cast<ringpool::PoolIndex>(random() % kPools),
                                {sessions.back(), ringpool::Context(contexts.back())}});
        }
        answers.resize(count);
    }
    std::vector<std::string> sessions;
    std::vector<std::string> contexts;
    std::vector<ringpool::AllocationRequest> requests;
    std::vector<ringpool::Allocation> answers;
};

ringpool::Allocation make_answer() {
    ringpool::Allocation answer;
    answer.outcome = ringpool::Allocation::Outcome::allocated;
    answer.number = ringpool::PhoneNumber::from_digits(18665550142);
    answer.formatted = ringpool::FormattedNumber("866-555-0142");
    answer.expires_at = WallTime(std::chrono::milliseconds(1'795'282'265'000));
    return answer;
}

void encode_and_decode(benchmark::State& state) {
    const ringpool::Catalog catalog = make_catalog();
    Rows rows(kRows);
    const ringpool::Allocation answer = make_answer();
    std::string call;
    std::string reply;
    std::vector<ringpool::AllocationRequest> read;
    for (auto _ : state) {
        call.clear();
        reply.clear();
        read.clear();
        for (const auto& request : rows.requests) {
            RequestRow{catalog.at(request.pool).id, request.session}.append_to(call);
        }
        for (std::string_view rest = call; !rest.empty();) {
            const auto row = RequestRow::take(rest);
            read.push_back({*catalog.find(row->pool_id), row->session});
        }
        for (std::size_t i = 0; i < read.size(); ++i) AnswerRow::append(reply, answer);
        for (std::size_t i = 0; i < read.size(); ++i) {
            AnswerRow::decode(reply.data() + i * AnswerRow::kBytes, rows.answers[i]);
        }
        benchmark::DoNotOptimize(rows.answers.data());
    }
    if (rows.answers.back().number != answer.number) state.SkipWithError("misread");
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
    state.counters["bytes_per_row"] = static_cast<double>(call.size() + reply.size()) / kRows;
}
BENCHMARK(encode_and_decode);

/// Only allocate() is called.
class CheapShard final : public Shard, public ringpool::Store {
  public:
    void allocate(std::span<const ringpool::AllocationRequest>,
                  std::span<ringpool::Allocation> answers, Deadline) override {
        for (ringpool::Allocation& answer : answers) answer = answer_;
    }
    Result<void> release(ringpool::PoolIndex, ringpool::PhoneNumber, const ringpool::Session&,
                         Deadline) override {
        return {};
    }
    Result<void> ready() const override { return {}; }
    ringpool::Store& store() noexcept override { return *this; }
    ringpool::PoolAdministration& pools() noexcept override { return pools_; }
    ringpool::EventSource& events() noexcept override { return events_; }
    Result<HoldersFound> holders(ringpool::PhoneNumber, std::optional<WallTime>, std::size_t,
                                 Deadline) override {
        return HoldersFound();
    }
    Result<std::size_t> erase(std::string_view, Deadline) override { return std::size_t{0}; }
    Result<std::vector<store::NumberKnowledge>> look_up(std::span<const ringpool::PhoneNumber>,
                                                        Deadline) override {
        return std::vector<store::NumberKnowledge>();
    }
    Result<void> sweep(std::string_view, Deadline) override { return {}; }
    Result<OverflowCounts> overflow_counts(std::string_view, Deadline) override {
        return OverflowCounts();
    }
    Result<std::vector<ops::DemandHour>> demand(std::string_view, Deadline) override {
        return std::vector<ops::DemandHour>();
    }
    Result<std::string> report(Deadline) override { return std::string(); }
    Result<std::string> profile(Deadline) override { return std::string(); }

  private:
    class NoPools final : public ringpool::PoolAdministration {
        Result<bool> put_pool(ringpool::PoolDefinition) override { return false; }
        Result<void> remove_pool(std::string_view) override { return {}; }
        Result<ringpool::NumbersChange> edit_numbers(std::string_view,
                                                     ringpool::NumbersEdit) override {
            return ringpool::NumbersChange();
        }
        Result<ringpool::NumbersChange> set_numbers(std::string_view,
                                                    std::vector<ringpool::PoolNumber>) override {
            return ringpool::NumbersChange();
        }
        Result<ringpool::NumberPage> numbers(std::string_view, std::size_t, std::size_t) override {
            return ringpool::NumberPage();
        }
        Result<ringpool::PoolFigures> figures(std::string_view) override {
            return ringpool::PoolFigures();
        }
    };
    class NoEvents final : public ringpool::EventSource {
        Result<ringpool::EventBatch> read(const ringpool::EventQuery&, Deadline) override {
            return ringpool::EventBatch();
        }
    };
    NoPools pools_;
    NoEvents events_;
    const ringpool::Allocation answer_ = make_answer();
};

/// So many callers, each with so many rows, whose calls are merged.
void call_over_a_socket(benchmark::State& state) {
    const auto callers = static_cast<std::size_t>(state.range(0));
    const auto rows_each = static_cast<std::size_t>(state.range(1));
    SystemClock clock;
    NullLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {});
    const ringpool::Catalog catalog = make_catalog();
    CheapShard own;
    PeerService service(reactor, log, catalog, own, [](Deadline) { return Result<void>(); }, {});
    RemoteShard remote(reactor, log, catalog, {}, [&]() -> Result<int> {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        service.serve(ends[1]);
        return ends[0];
    });
    std::vector<Rows> rows(callers, Rows(0));
    std::uint64_t answered = 0;
    bool stopping = false;
    for (Rows& r : rows) {
        r = Rows(rows_each);
        reactor.scheduler().spawn("caller", [&] {
            while (!stopping) {
                const auto deadline =
                    Deadline::at(reactor.scheduler().now() + std::chrono::seconds(10));
                remote.store().allocate(r.requests, r.answers, deadline);
                ++answered;
            }
        });
    }
    reactor.enter([] {});
    for (auto _ : state) {
        const std::uint64_t wanted = answered + 100 * callers;
        while (answered < wanted) reactor.context().run_one();
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(100 * callers * rows_each));
    state.counters["rows_per_call"] = static_cast<double>(remote.stats().store.rows) /
                                      static_cast<double>(remote.stats().requests.calls);
    if (rows[0].answers[0].number != make_answer().number) state.SkipWithError("not answered");
    stopping = true;
    while (reactor.scheduler().fibers_in_use() > 0) reactor.context().run_one();
}
BENCHMARK(call_over_a_socket)->Args({1, 1})->Args({1, 20})->Args({1, 40})->Args({8, 20});

}  // namespace
}  // namespace ringmaster::shard
