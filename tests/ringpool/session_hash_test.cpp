#include "ringmaster/ringpool/session_hash.hpp"

#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

constexpr SessionHasher::Key kKey{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

Session visitor(std::string_view id) {
    return {.id = id, .context = {}};
}
Session context_only(std::string_view bytes) {
    return {.id = {}, .context = Context(bytes)};
}

TEST(SessionHasher, IsTheSameForTheSameSession) {
    SessionHasher hasher(kKey);
    const SessionHash first = hasher.hash("autos", visitor("v-81"));
    (void)hasher.hash("boats", visitor("a much longer session than the one before and after it"));
    EXPECT_EQ(hasher.hash("autos", visitor("v-81")), first);
    EXPECT_EQ(SessionHasher(kKey).hash("autos", visitor("v-81")), first);
    EXPECT_TRUE(first);
}

TEST(SessionHasher, NeverChanges) {
    // It is stored: another value here would orphan every session that is on disk. SipHash-2-4-128
    // of "v\x05autosv-81" as computed by another implementation.
    const SessionHash hash = SessionHasher(kKey).hash("autos", visitor("v-81"));
    EXPECT_EQ(hash.low, 0x0a8ea3d2f71a97d4u);
    EXPECT_EQ(hash.high, 0x84d4988f7047fe30u);
}

TEST(SessionHasher, DependsOnTheKey) {
    SessionHasher::Key other = kKey;
    other[15] ^= 1;
    EXPECT_NE(SessionHasher(other).hash("autos", visitor("v-81")),
              SessionHasher(kKey).hash("autos", visitor("v-81")));
}

TEST(SessionHasher, TakesTheContextForTheSessionOnlyWhereThereIsNoId) {
    SessionHasher hasher(kKey);
    const Context context(std::string_view("\x01\x01\x00x1", 5));
    EXPECT_EQ(hasher.hash("autos", {.id = "v", .context = context}),
              hasher.hash("autos", visitor("v")));
    EXPECT_NE(hasher.hash("autos", {.id = {}, .context = context}),
              hasher.hash("autos", context_only("")));
}

TEST(SessionHasher, TellsApartWhatLooksAlike) {
    SessionHasher hasher(kKey);
    const std::string bytes("\x01\x01\x00x1", 5);
    const std::string prefixed = std::string("\x05") + "autos";
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    const auto is_new = [&](std::string_view pool, const Session& session) {
        const SessionHash hash = hasher.hash(pool, session);
        return seen.emplace(hash.low, hash.high).second;
    };
    EXPECT_TRUE(is_new("autos", visitor(bytes)));
    EXPECT_TRUE(is_new("autos", context_only(bytes))) << "a visitor whose id reads like a context";
    EXPECT_TRUE(is_new("auto", visitor("s" + bytes))) << "the end of the pool's id";
    EXPECT_TRUE(is_new("autos" + bytes, visitor("")));
    EXPECT_TRUE(is_new("boats", visitor(bytes)));
    EXPECT_TRUE(is_new("autos", visitor("")));
    EXPECT_TRUE(is_new("autos", context_only(""))) << "an empty id is an id";
    EXPECT_TRUE(is_new("", visitor(prefixed)));
    EXPECT_TRUE(is_new(std::string(64, 'a'), visitor(bytes)));
}

TEST(SessionHasher, TakesSessionsOfAnySize) {
    SessionHasher hasher(kKey);
    std::string id;
    std::set<std::uint64_t> seen;
    for (int size = 0; size < 300; ++size, id += 'x') {
        EXPECT_TRUE(seen.insert(hasher.hash("autos", visitor(id)).low).second) << size;
    }
    id.assign(1 << 20, 'x');
    EXPECT_TRUE(seen.insert(hasher.hash("autos", visitor(id)).low).second);
}

}  // namespace
}  // namespace ringmaster::ringpool
