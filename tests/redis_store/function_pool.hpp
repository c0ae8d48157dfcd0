#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/redis_store/function_library.hpp"
#include "ringmaster/redis_store/pool_keys.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/ringpool/session_hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/servers.hpp"

namespace ringmaster::redis_store::testing {

/// Takes packed bytes apart, for tests: throws where there are too few.
class Unpacker {
  public:
    explicit Unpacker(std::string_view bytes) : rest_(bytes) {}
    std::string_view text(std::size_t size) {
        if (size > rest_.size()) throw std::runtime_error("packed bytes are too short");
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::uint64_t number(std::size_t size) {
        std::uint64_t value = 0;
        std::memcpy(&value, text(size).data(), size);
        return value;
    }
    WallTime time() { return WallTime(std::chrono::milliseconds(number(8))); }
    std::string rest() { return std::string(text(rest_.size())); }
    bool at_end() const noexcept { return rest_.empty(); }

  private:
    std::string_view rest_;
};

inline std::string bytes_of(const ringpool::SessionHash& hash) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &hash.low, 8);
    std::memcpy(bytes.data() + 8, &hash.high, 8);
    return bytes;
}

inline std::string digits_of(ringpool::PhoneNumber number) {
    return std::to_string(number.digits());
}

inline std::string ms_text(WallTime time) {
    return std::to_string(time.time_since_epoch().count());
}

/// A state as functions/common.lua describes it.
struct State {
    unsigned flags = 0;
    WallTime allocated_at, last_touch, expires_at, eligible_at;
    std::uint64_t past_id = 0;
    std::string session, formatted, holder;

    static State unpack(std::string_view bytes) {
        Unpacker in(bytes);
        State state;
        state.flags = static_cast<unsigned>(in.number(1));
        state.allocated_at = in.time();
        state.last_touch = in.time();
        state.expires_at = in.time();
        state.eligible_at = in.time();
        state.past_id = in.number(8);
        state.session = in.text(16);
        state.formatted = in.text(in.number(1));
        state.holder = in.rest();
        return state;
    }
};

/// What rm1_allocate has said of one row.
struct Row {
    char outcome = 0;
    std::uint64_t number = 0;
    WallTime expires_at{};
    std::string formatted = {};
    friend bool operator==(const Row&, const Row&) = default;
};

/// One pool in a Redis server, worked on by its functions alone.
class FunctionPool {
  public:
    explicit FunctionPool(redis::RedisServer& server, std::string id = "pool")
        : connection_(server.port()), keys_("test", id) {
        expect_good(connection_.command(
            {"FUNCTION", "LOAD", "REPLACE", std::string(function_library_text())}));
    }

    std::string command(const redis::Words& words) { return connection_.command(words); }
    /// What the function says.
    std::string call(const std::string& function, const redis::Words& arguments) {
        redis::Words words{"FCALL", "rm1_" + function, "6"};
        for (const std::string_view key : keys_.all()) words.emplace_back(key);
        words.insert(words.end(), arguments.begin(), arguments.end());
        return connection_.command(words);
    }

    void put_rules(const ringpool::HoldRules& rules) {
        ++version_;
        expect_good(
            call("put_pool", {"definition", std::to_string(rules.lifetime.count()),
                              std::to_string(rules.cooldown.count()),
                              std::to_string(rules.max_hold.count()), std::to_string(version_)}));
    }
    struct Addition {
        ringpool::PoolNumber number;
        std::string other = {};  ///< state of another pool
    };
    void edit(const std::vector<Addition>& add, const redis::Words& remove) {
        redis::Words words{epoch(), "1000000", std::to_string(add.size())};
        for (const Addition& each : add) {
            words.push_back(digits_of(each.number.number));
            words.emplace_back(each.number.formatted.view());
            words.push_back(each.other);
        }
        words.insert(words.end(), remove.begin(), remove.end());
        expect_good(call("edit", words));
    }

    /// Of each session with its holder, in order.
    std::vector<Row> allocate(const std::vector<std::pair<std::string, std::string>>& sessions,
                              std::chrono::milliseconds history = std::chrono::days(90)) {
        redis::Words words{std::to_string(history.count())};
        for (const auto& [session, holder] : sessions) words.push_back(session);
        for (const auto& [session, holder] : sessions) words.push_back(holder);
        const std::string bytes = expect_good(call("allocate", words));
        Unpacker in(bytes);
        answered_version_ = in.number(8);
        answered_now_ = in.time();
        std::vector<Row> rows;
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            Row row;
            row.outcome = static_cast<char>(in.number(1));
            if (row.outcome != 'x') {
                row.expires_at = in.time();
                row.number = std::stoull(std::string(in.text(in.number(1))));
                row.formatted = in.text(in.number(1));
            }
            rows.push_back(row);
        }
        if (!in.at_end()) throw std::runtime_error("an answer with more rows than were asked for");
        return rows;
    }
    bool release(ringpool::PhoneNumber number, const std::string& session) {
        return expect_good(call("release", {digits_of(number), session})) == "1";
    }

    std::string epoch() {
        const std::string epoch = command({"HGET", keys_.meta, "epoch"});
        return epoch == "(nil)" ? "0" : epoch;
    }
    State state(ringpool::PhoneNumber number) {
        return State::unpack(command({"HGET", keys_.numbers, digits_of(number)}));
    }
    const PoolKeys& keys() const noexcept { return keys_; }
    std::uint64_t version() const noexcept { return version_; }
    void skip_version() noexcept { ++version_; }  ///< somebody else has made a change
    /// What the last answer said.
    std::uint64_t answered_version() const noexcept { return answered_version_; }
    WallTime answered_now() const noexcept { return answered_now_; }

  private:
    static std::string expect_good(std::string answer) {
        // An answer of rm1_allocate begins with a number, which may look like a minus.
        const bool is_error = answer.size() > 1 && answer[0] == '-' && answer[1] >= 'A';
        if (is_error) throw std::runtime_error(answer);
        return answer;
    }

    redis::PlainConnection connection_;
    const PoolKeys keys_;
    std::uint64_t version_ = 0;
    std::uint64_t answered_version_ = 0;
    WallTime answered_now_{};
};

}  // namespace ringmaster::redis_store::testing
