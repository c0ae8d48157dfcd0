#pragma once

#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/peer_format.hpp"
#include "ringmaster/shard/peer_link.hpp"
#include "ringmaster/shard/peer_messages.hpp"
#include "ringmaster/shard/shard.hpp"

#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"

namespace ringmaster::shard {

/// A pool of this id, with a number for when there is no other.
inline ringpool::PoolDefinition make_pool(std::string id, std::uint64_t overflow = 18005550100) {
    ringpool::PoolDefinition pool;
    pool.id = std::move(id);
    pool.key = "A329F4DC";
    pool.overflow = {ringpool::PhoneNumber::from_digits(overflow),
                     ringpool::FormattedNumber("800-555-0100")};
    return pool;
}

/// A shard that does as the test says. What is not said is answered with nothing.
class ScriptedShard final : public Shard,
                            public ringpool::Store,
                            public ringpool::PoolAdministration,
                            public ringpool::EventSource {
  public:
    using Requests = std::span<const ringpool::AllocationRequest>;
    using Answers = std::span<ringpool::Allocation>;

    std::function<void(Requests, Answers, Deadline)> on_allocate;
    std::function<Result<void>(ringpool::PoolIndex, ringpool::PhoneNumber, const ringpool::Session&,
                               Deadline)>
        on_release;
    std::function<Result<bool>(ringpool::PoolDefinition)> on_put_pool;
    std::function<Result<ringpool::NumbersChange>(std::string_view, ringpool::NumbersEdit)> on_edit;
    std::function<Result<ringpool::NumbersChange>(std::string_view,
                                                  std::vector<ringpool::PoolNumber>)>
        on_set;
    std::function<Result<ringpool::NumberPage>(std::string_view, std::size_t, std::size_t)>
        on_numbers;
    std::function<Result<ringpool::PoolFigures>(std::string_view)> on_figures;
    std::function<Result<HoldersFound>(ringpool::PhoneNumber, std::optional<WallTime>, std::size_t,
                                       Deadline)>
        on_holders;
    std::function<Result<std::size_t>(std::string_view, Deadline)> on_erase;
    std::function<Result<std::vector<store::NumberKnowledge>>(
        std::span<const ringpool::PhoneNumber>, Deadline)>
        on_look_up;
    std::function<Result<void>(std::string_view)> on_pool;  ///< sweep() and remove_pool()
    std::function<Result<OverflowCounts>(std::string_view)> on_overflow_counts;
    std::function<std::vector<ops::DemandHour>(std::string_view)> on_demand;
    std::function<Result<std::string>(Deadline)> on_report;
    std::function<Result<ringpool::EventBatch>(const ringpool::EventQuery&, Deadline)> on_events;
    std::size_t allocate_calls = 0;

    ringpool::Store& store() noexcept override { return *this; }
    ringpool::PoolAdministration& pools() noexcept override { return *this; }
    ringpool::EventSource& events() noexcept override { return *this; }

    /// The n-th row of all gets number +1201555, n, unless the test says otherwise.
    void allocate(Requests requests, Answers answers, Deadline deadline) override {
        ++allocate_calls;
        if (on_allocate) return on_allocate(requests, answers, deadline);
        for (ringpool::Allocation& answer : answers) answer = number(++rows_);
    }
    static ringpool::Allocation number(std::uint64_t n) {
        ringpool::Allocation answer;
        answer.outcome = ringpool::Allocation::Outcome::allocated;
        answer.number = ringpool::PhoneNumber::from_digits(12015550000 + n);
        answer.formatted = ringpool::FormattedNumber("201-555-" + std::to_string(n));
        answer.expires_at = WallTime(std::chrono::seconds(1'800'000'000 + n));
        return answer;
    }
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override {
        return on_release ? on_release(pool, number, session, deadline) : Result<void>();
    }
    Result<void> ready() const override { return {}; }

    Result<bool> put_pool(ringpool::PoolDefinition definition) override {
        return on_put_pool ? on_put_pool(std::move(definition)) : false;
    }
    Result<void> remove_pool(std::string_view id) override { return sweep(id, {}); }
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override {
        return on_edit ? on_edit(id, std::move(edit)) : ringpool::NumbersChange();
    }
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override {
        return on_set ? on_set(id, std::move(wanted)) : ringpool::NumbersChange();
    }
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override {
        return on_numbers ? on_numbers(id, from, max) : ringpool::NumberPage();
    }
    Result<ringpool::PoolFigures> figures(std::string_view id) override {
        return on_figures ? on_figures(id) : ringpool::PoolFigures();
    }

    Result<HoldersFound> holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                 std::size_t max, Deadline deadline) override {
        return on_holders ? on_holders(number, at, max, deadline) : HoldersFound();
    }
    Result<std::size_t> erase(std::string_view session_id, Deadline deadline) override {
        return on_erase ? on_erase(session_id, deadline) : std::size_t{0};
    }
    Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) override {
        if (on_look_up) return on_look_up(numbers, deadline);
        return std::vector<store::NumberKnowledge>();
    }
    Result<void> sweep(std::string_view pool_id, Deadline) override {
        return on_pool ? on_pool(pool_id) : Result<void>();
    }
    Result<OverflowCounts> overflow_counts(std::string_view pool_id, Deadline) override {
        return on_overflow_counts ? on_overflow_counts(pool_id) : OverflowCounts();
    }
    Result<ringpool::EventBatch> read(const ringpool::EventQuery& query,
                                      Deadline deadline) override {
        return on_events ? on_events(query, deadline) : ringpool::EventBatch();
    }
    Result<std::vector<ops::DemandHour>> demand(std::string_view pool_id, Deadline) override {
        return on_demand ? on_demand(pool_id) : std::vector<ops::DemandHour>();
    }
    Result<std::string> report(Deadline deadline) override {
        return on_report ? on_report(deadline) : std::string();
    }
    Result<std::string> profile(Deadline) override { return std::string("busy"); }

  private:
    std::uint64_t rows_ = 0;
};

/// The other end of a connection, for a test that speaks the protocol itself, or does not.
class RawPeer {
  public:
    explicit RawPeer(int fd) noexcept : fd_(fd) {}
    RawPeer(RawPeer&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), read_(std::move(other.read_)) {}
    RawPeer& operator=(RawPeer&&) = delete;
    ~RawPeer() { hang_up(); }

    void hang_up() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// False where the other side has gone.
    bool write(std::string_view bytes) {
        return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
               static_cast<ssize_t>(bytes.size());
    }
    void answer(FrameHead head, std::string_view payload) {
        head.answer = true;
        head.deadline_ns = 0;
        write_frame(head, payload);
    }
    void write_frame(FrameHead head, std::string_view payload) {
        head.payload_bytes = static_cast<std::uint32_t>(payload.size());
        std::string bytes(FrameHead::kBytes, '\0');
        head.encode(bytes.data());
        write(bytes + std::string(payload));
    }
    bool at_end() {
        read();
        return ended_;
    }

    struct Frame {
        FrameHead head;
        std::string payload;
    };
    /// Those that have come since the last call; the greeting is left out.
    std::vector<Frame> take_frames() {
        read();
        std::vector<Frame> frames;
        std::string_view rest = read_;
        if (!was_greeted_ && rest.size() >= kGreetingBytes) {
            was_greeted_ = check_greeting(rest).ok();
            rest.remove_prefix(kGreetingBytes);
        }
        while (rest.size() >= FrameHead::kBytes) {
            const auto head = FrameHead::decode(rest);
            if (!head || rest.size() < FrameHead::kBytes + head->payload_bytes) break;
            frames.push_back(
                {*head, std::string(rest.substr(FrameHead::kBytes, head->payload_bytes))});
            rest.remove_prefix(FrameHead::kBytes + head->payload_bytes);
        }
        read_ = std::string(rest);
        return frames;
    }
    bool was_greeted() const { return was_greeted_; }
    /// In how many pieces all came so far.
    std::size_t reads() const { return reads_; }

  private:
    void read() {
        std::array<char, 65536> buffer;
        while (true) {
            const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got > 0) {
                read_.append(buffer.data(), static_cast<std::size_t>(got));
                ++reads_;
            }
            if (got == 0 || (got < 0 && errno == ECONNRESET)) ended_ = true;
            if (got <= 0) return;
        }
    }

    int fd_;
    std::string read_;
    std::size_t reads_ = 0;
    bool was_greeted_ = false;
    bool ended_ = false;
};

/// A reactor whose time the test moves. Sockets of one process have what was sent to them at once.
struct PeerRuntime {
    /// Until nothing is ready.
    void settle() {
        do {
            reactor.context().restart();
        } while (reactor.context().poll() > 0);
    }
    void advance(std::chrono::milliseconds step) {
        clock.advance(step);
        reactor.enter([] {});
        settle();
    }
    runtime::Task spawn(std::function<void()> task) {
        runtime::Task started;
        reactor.enter([&] {
            started = reactor.scheduler().spawn("test", [task = std::move(task)] { task(); });
        });
        if (!started) std::abort();
        return started;
    }
    Deadline in(std::chrono::milliseconds time) { return Deadline::at(clock.steady_now() + time); }

    /// Both ends of a connection.
    static std::pair<int, int> socket_pair(int type = SOCK_STREAM) {
        int ends[2];
        if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        return {ends[0], ends[1]};
    }

    FakeClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors{log};
    runtime::Reactor reactor{clock, errors, {.max_fibers = 64}};
};

}  // namespace ringmaster::shard
