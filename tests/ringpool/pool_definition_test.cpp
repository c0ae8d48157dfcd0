#include "ringmaster/ringpool/pool_definition.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

PoolDefinition definition(std::string id = "autos", std::string key = "A329F4DC") {
    PoolDefinition pool;
    pool.id = std::move(id);
    pool.key = std::move(key);
    pool.overflow = {PhoneNumber::from_digits(18005550100), FormattedNumber("800-555-0100")};
    return pool;
}

using Change = std::function<void(PoolDefinition&)>;

bool is_valid(const Change& change) {
    PoolDefinition pool = definition();
    change(pool);
    return pool.validate().ok();
}

std::string complaint(const Change& change) {
    PoolDefinition pool = definition();
    change(pool);
    const auto result = pool.validate();
    if (result) return "none";
    EXPECT_EQ(result.error().code, ErrorCode::invalid);
    return result.error().message;
}

TEST(PoolDefinition, IsValidWithItsDefaults) {
    EXPECT_EQ(complaint([](PoolDefinition&) {}), "none");
}

TEST(PoolDefinition, BoundsItsId) {
    EXPECT_TRUE(is_valid([](auto& p) { p.id = "azAZ09._-"; }));
    EXPECT_TRUE(is_valid([](auto& p) { p.id = std::string(64, 'a'); }));
    EXPECT_THAT(complaint([](auto& p) { p.id = std::string(65, 'a'); }), HasSubstr("id is 'aaaa"));
    EXPECT_THAT(complaint([](auto& p) { p.id = ""; }), HasSubstr("id is ''; expected 1 to 64"));
    for (const std::string id : {"a b", "a/b", "a\n", "\xC3\xA4", "a:b"}) {
        EXPECT_FALSE(is_valid([&](auto& p) { p.id = id; })) << id;
    }
    EXPECT_FALSE(is_valid([](auto& p) { p.id = std::string("a\0", 2); }));
}

TEST(PoolDefinition, BoundsItsKeyWithoutTellingIt) {
    EXPECT_TRUE(is_valid([](auto& p) { p.key = "k"; }));
    EXPECT_TRUE(is_valid([](auto& p) { p.key = std::string(128, 'k'); }));
    EXPECT_THAT(complaint([](auto& p) { p.key = ""; }), HasSubstr("key is 0 bytes long"));
    EXPECT_THAT(complaint([](auto& p) { p.key = std::string(129, 'k'); }),
                AllOf(HasSubstr("129 bytes"), HasSubstr("1 to 128"), Not(HasSubstr("kk"))));
}

TEST(PoolDefinition, BoundsItsTimes) {
    const auto days = [](int n) { return std::chrono::seconds(std::chrono::days(n)); };
    EXPECT_TRUE(is_valid([](auto& p) { p.lifetime = 1s; }));
    EXPECT_TRUE(is_valid([&](auto& p) { p.lifetime = days(30); }));
    EXPECT_EQ(complaint([](auto& p) { p.lifetime = 0s; }),
              "lifetime is 0 s; expected 1 s to 2592000 s (30 days)");
    EXPECT_FALSE(is_valid([&](auto& p) { p.lifetime = days(30) + 1s; }));

    EXPECT_TRUE(is_valid([&](auto& p) { p.cooldown = days(30); }));
    EXPECT_THAT(complaint([](auto& p) { p.cooldown = -1s; }), HasSubstr("cooldown is -1 s"));
    EXPECT_FALSE(is_valid([&](auto& p) { p.cooldown = days(30) + 1s; }));

    EXPECT_TRUE(is_valid([&](auto& p) { p.max_hold = days(365); }));
    EXPECT_THAT(complaint([](auto& p) { p.max_hold = -1s; }), HasSubstr("max_hold is -1 s"));
    EXPECT_FALSE(is_valid([&](auto& p) { p.max_hold = days(365) + 1s; }));
}

TEST(PoolDefinition, NeedsAnOverflowNumberOnlyWhereItMayUseIt) {
    EXPECT_THAT(complaint([](auto& p) { p.overflow = {}; }), HasSubstr("overflow number"));
    EXPECT_TRUE(is_valid([](auto& p) {
        p.overflow = {};
        p.allow_overflow = false;
    }));
}

TEST(PoolDefinition, TextsAreUtf8WithoutControlCharacters) {
    const std::pair<std::string PoolDefinition::*, std::size_t> kTexts[] = {
        {&PoolDefinition::name, 256}, {&PoolDefinition::tracking_url, 2048}};
    for (const auto& [member, most] : kTexts) {
        const auto with = [text = member](std::string value) {
            return [text, value](PoolDefinition& pool) { pool.*text = value; };
        };
        EXPECT_TRUE(is_valid(with("")));
        EXPECT_TRUE(is_valid(with("http://x.test/?n={number}&z=Z\xc3\xbcrich")));
        EXPECT_TRUE(is_valid(with(std::string(most, 'x'))));
        EXPECT_FALSE(is_valid(with(std::string(most + 1, 'x'))));
        for (const std::string bad : {"a\xff", "\xc3", "a\r\nb", "\t", "\x7f"}) {
            EXPECT_FALSE(is_valid(with(bad))) << bad;
        }
        EXPECT_FALSE(is_valid(with(std::string("a\0b", 3))));
    }
    EXPECT_EQ(
        complaint([](PoolDefinition& pool) { pool.tracking_url = "\xff"; }),
        "tracking_url is not plain text; expected at most 2048 bytes of UTF-8 without control "
        "characters");
    EXPECT_EQ(complaint([](PoolDefinition& pool) { pool.name = std::string(257, 'x'); }),
              "name is 257 bytes long; expected at most 256 bytes of UTF-8 without control "
              "characters");
}

TEST(PoolDefinition, NeedsARegion) {
    for (const std::string region : {"", "us", "USA", "U", "1 "}) {
        EXPECT_THAT(complaint([&](auto& p) { p.default_region = region; }),
                    HasSubstr(std::string("default_region is '").append(region).append("'")));
    }
}

TEST(Catalog, FindsAPoolByIdAndKey) {
    Catalog catalog;
    ASSERT_EQ(catalog.put(definition("autos", "A3")).value(), 0u);
    ASSERT_EQ(catalog.put(definition("boats", "77AA01")).value(), 1u);
    ASSERT_EQ(catalog.size(), 2u);

    const PoolIndex* boats = catalog.authorize("boats", "77AA01");
    ASSERT_NE(boats, nullptr);
    EXPECT_EQ(catalog.at(*boats).id, "boats");
    ASSERT_NE(catalog.authorize("autos", "A3"), nullptr);
}

TEST(Catalog, RefusesWrongKeysAndUnknownPoolsAlike) {
    Catalog catalog;
    ASSERT_TRUE(catalog.put(definition("autos", "A329F4DC")));
    ASSERT_TRUE(catalog.put(definition("boats", "77AA01")));
    const std::string longest(PoolDefinition::kMaxKeyBytes, 'k');
    ASSERT_TRUE(catalog.put(definition("cars", longest)));

    EXPECT_EQ(catalog.authorize("autos", "77AA01"), nullptr) << "another pool's key";
    EXPECT_EQ(catalog.authorize("autos", ""), nullptr);
    EXPECT_EQ(catalog.authorize("autos", "A329F4D"), nullptr) << "a prefix";
    EXPECT_EQ(catalog.authorize("autos", "A329F4DCC"), nullptr) << "more than the key";
    EXPECT_EQ(catalog.authorize("autos", std::string("A329F4DC\0", 9)), nullptr);
    EXPECT_EQ(catalog.authorize("autos", "a329f4dc"), nullptr);
    EXPECT_EQ(catalog.authorize("cars", longest + "k"), nullptr);
    EXPECT_EQ(catalog.authorize("cars", std::string(1'000'000, 'k')), nullptr);
    EXPECT_NE(catalog.authorize("cars", longest), nullptr);

    EXPECT_EQ(catalog.authorize("ships", "A329F4DC"), nullptr);
    EXPECT_EQ(catalog.authorize("ships", ""), nullptr);
    EXPECT_EQ(catalog.authorize("ships", std::string(128, '\0')), nullptr);
    EXPECT_EQ(catalog.authorize("", ""), nullptr);
}

TEST(Catalog, ChangesAPoolThatIsThereAlready) {
    Catalog catalog;
    ASSERT_TRUE(catalog.put(definition("autos", "A3")));
    EXPECT_EQ(catalog.put(definition("autos", "B4")).value(), 0u);
    EXPECT_EQ(catalog.size(), 1u);
    EXPECT_EQ(catalog.at(0).key, "B4");
    EXPECT_EQ(catalog.authorize("autos", "A3"), nullptr) << "the key of before";
    EXPECT_NE(catalog.authorize("autos", "B4"), nullptr);
}

TEST(Catalog, RefusesAnInvalidDefinition) {
    Catalog catalog;
    ASSERT_TRUE(catalog.put(definition("autos", "A3")));
    EXPECT_FALSE(catalog.put(definition("a b")));
    EXPECT_FALSE(catalog.put(definition("autos", "")));
    EXPECT_EQ(catalog.size(), 1u);
    EXPECT_NE(catalog.authorize("autos", "A3"), nullptr) << "a refused change alters nothing";
    EXPECT_EQ(catalog.put(definition("boats")).value(), 1u);
}

TEST(Catalog, ForgetsARemovedPoolButForItsDefinition) {
    Catalog catalog;
    ASSERT_TRUE(catalog.put(definition("autos", "A3")));
    ASSERT_TRUE(catalog.put(definition("boats", "77")));
    catalog.remove(0);
    catalog.remove(0);  // harmless

    EXPECT_EQ(catalog.size(), 1u);
    EXPECT_EQ(catalog.authorize("autos", "A3"), nullptr);
    EXPECT_EQ(catalog.authorize("autos", ""), nullptr);
    EXPECT_EQ(catalog.find("autos"), std::nullopt);
    EXPECT_EQ(catalog.find("boats"), PoolIndex{1});
    EXPECT_EQ(catalog.at(0).id, "autos") << "for requests that are under way";
    std::vector<std::string> ids;
    catalog.for_each([&](PoolIndex, const PoolDefinition& pool) { ids.push_back(pool.id); });
    EXPECT_EQ(ids, std::vector<std::string>{"boats"});

    EXPECT_EQ(catalog.put(definition("autos", "C5")).value(), 0u) << "the id has its index back";
    EXPECT_NE(catalog.authorize("autos", "C5"), nullptr);
    EXPECT_EQ(catalog.size(), 2u);
    EXPECT_EQ(catalog.end_index(), 2u);
}

TEST(Catalog, KeepsReferencesWhileItGrows) {
    Catalog catalog;
    ASSERT_TRUE(catalog.put(definition("0")));
    const PoolDefinition& first = catalog.at(0);
    for (int i = 1; i < 1000; ++i) ASSERT_TRUE(catalog.put(definition(std::to_string(i))));
    EXPECT_EQ(&first, &catalog.at(0));
    EXPECT_EQ(first.id, "0");
}

}  // namespace
}  // namespace ringmaster::ringpool
