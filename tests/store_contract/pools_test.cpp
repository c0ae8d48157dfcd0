/// Pools that are created, changed and removed.

#include <string>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;

class PoolsContract : public StoreContract {
  protected:
    static std::string code(const auto& result) {
        return result ? "done" : std::string(to_string(result.error().code));
    }
};
INSTANTIATE_TEST_SUITE_P(, PoolsContract, ::testing::ValuesIn(worlds()), world_name);

TEST_P(PoolsContract, APoolIsCreatedOnceAndThenChanged) {
    auto autos = test_definition("autos");
    EXPECT_TRUE(put(autos).value());
    EXPECT_FALSE(put(autos).value());
    autos.name = "Cars";
    autos.key = std::string("another");
    autos.tracking_url = "https://example.com/{number}";
    autos.default_region = "DE";
    autos.lifetime = 1s;
    EXPECT_FALSE(put(autos).value());
    EXPECT_TRUE(put(test_definition("boats")).value());
    const PoolsView expected = {{"autos", {autos, {}}}, {"boats", {test_definition("boats"), {}}}};
    EXPECT_EQ(view(), expected);
    EXPECT_NE(catalog().authorize("autos", "another"), nullptr);
    EXPECT_EQ(catalog().authorize("autos", "secret"), nullptr);
}

TEST_P(PoolsContract, OfAPoolThatIsNotThereNothingIsKnown) {
    create("autos", 1);
    const PoolsView before = view();
    EXPECT_EQ(code(remove("cars")), "not_found");
    EXPECT_EQ(code(edit("cars", {numbers({7}), {}})), "not_found");
    EXPECT_EQ(code(set("cars", numbers({7}))), "not_found");
    EXPECT_EQ(code(page("cars", 0, 1)), "not_found");
    EXPECT_EQ(code(figures("cars")), "not_found");
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(code(remove("autos")), "not_found");
    EXPECT_EQ(code(set("autos", numbers({7}))), "not_found");
    EXPECT_EQ(code(figures("autos")), "not_found");
    EXPECT_TRUE(view().empty());
    create("boats", 1, {}, 7);
}

TEST_P(PoolsContract, RefusesWhatNoPoolMayBe) {
    create("autos", 3);
    create("boats", 2, {}, 10);
    const PoolsView before = view();
    auto wrong = test_definition("autos");
    wrong.overflow = test_number(0, 10);
    EXPECT_EQ(code(put(wrong)), "invalid");
    wrong.overflow = test_number(0, 1);
    EXPECT_EQ(code(put(wrong)), "invalid") << "nor one of its own";
    wrong = test_definition("cars");
    wrong.overflow = test_number(0, 1);
    EXPECT_EQ(code(put(wrong)), "invalid");
    EXPECT_EQ(code(put(test_definition("a b"))), "invalid");
    wrong = test_definition("autos");
    wrong.lifetime = 0s;
    EXPECT_EQ(code(put(wrong)), "invalid");
    EXPECT_EQ(view(), before);
}

// --- overflow numbers ----------------------------------------------------------------------------

TEST_P(PoolsContract, PoolsMayShareAnOverflowNumberWhichNoneCanHandOutMeanwhile) {
    create("autos", 0);
    create("boats", 0);
    const auto add = [&] { return text_of(edit("autos", {numbers({1}), {}})); };
    auto autos = test_definition("autos");
    auto boats = test_definition("boats");
    autos.overflow = boats.overflow = test_number(0, 1);
    EXPECT_TRUE(put(autos).ok());
    EXPECT_TRUE(put(boats).ok());
    EXPECT_EQ(add(), "refused #1");
    boats.overflow = test_number(0, 2);
    EXPECT_TRUE(put(boats).ok());
    EXPECT_EQ(add(), "refused #1") << "still the one of autos";
    autos.overflow = test_number(0, 2);
    EXPECT_TRUE(put(autos).ok());
    EXPECT_EQ(add(), "added #1");
}

TEST_P(PoolsContract, ARemovedPoolLeavesItsOverflowNumber) {
    create("autos", 0);
    auto boats = test_definition("boats");
    boats.overflow = test_number(0, 1);
    EXPECT_TRUE(put(boats).ok());
    EXPECT_EQ(text_of(set("autos", numbers({1}))), "refused #1");
    EXPECT_TRUE(remove("boats").ok());
    EXPECT_EQ(text_of(set("autos", numbers({1}))), "added #1");
    EXPECT_EQ(code(put(boats)), "invalid");
}

TEST_P(PoolsContract, ANumberThatHasLeftItsPoolMayBecomeAnOverflowNumber) {
    create("autos", 2);
    ask("autos", "v-0");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0, 1})})), "removed #1, draining #0");
    auto boats = test_definition("boats");
    boats.overflow = test_number(0, 1);
    EXPECT_EQ(code(put(boats)), "done");
    boats.overflow = test_number(0, 0);
    EXPECT_EQ(code(put(boats)), "invalid") << "it is still held";
    leap(35min - 1ms);
    EXPECT_EQ(code(put(boats)), "invalid");
    leap(1ms);
    EXPECT_EQ(code(put(boats)), "done");
    EXPECT_EQ(text_of(edit("autos", {numbers({0, 1}), {}})), "refused #0");
}

// --- removed pools -------------------------------------------------------------------------------

TEST_P(PoolsContract, ARemovedPoolIsGoneAtOnce) {
    create("autos", 2);
    ask("autos", "v-1");
    const auto under_way = index_of("autos");
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_FALSE(catalog().find("autos"));
    EXPECT_EQ(text_of(allocate_at(under_way, "v-1")), "overflow: exhausted");
    EXPECT_EQ(text_of(allocate_at(under_way, "v-2")), "overflow: exhausted");
}

TEST_P(PoolsContract, ARemovedPoolKeepsItsPromisesInOtherPools) {
    create("autos", 3);
    create("boats", 0);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    leap(1min);
    ask("autos", "v-1");
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(text_of(edit("boats", {numbers({0, 1, 2}), {}})), "added #0 #1 #2");
    leap(1min);
    EXPECT_EQ(ask("boats", "v-1"), "#2") << "the others are not this pool's to give back";
    EXPECT_EQ(ask("boats", "v-0"), "overflow: exhausted");
    EXPECT_EQ(give_back("boats", 0, "v-0"), "not_found");
    leap_to(start_ + 35min - 1ms);
    EXPECT_EQ(ask("boats", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("boats", "v-2"), "#0");
    EXPECT_EQ(ask("boats", "v-3"), "overflow: exhausted");
    leap(1min);
    EXPECT_EQ(ask("boats", "v-3"), "#1");
}

TEST_P(PoolsContract, APoolThatIsRemovedAndComesBackKnowsItsSessions) {
    create("autos", 3);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    EXPECT_TRUE(remove("autos").ok());
    leap(1min);
    EXPECT_TRUE(put(test_definition("autos")).value());
    EXPECT_EQ(ask("autos", "v-0"), "overflow: exhausted") << "it has no numbers yet";
    EXPECT_EQ(text_of(set("autos", numbers({2, 1, 0}))), "added #0 #1 #2");
    EXPECT_EQ(ask("autos", "v-1"), "#1");
    EXPECT_EQ(ask("autos", "v-2"), "#2") << "the only one that is free";
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    EXPECT_EQ(ask("autos", "v-0"), "#0");
}

TEST_P(PoolsContract, ASessionThatGotAnotherNumberMeanwhileKeepsThat) {
    create("autos", 1);
    ask("autos", "v-0");
    EXPECT_TRUE(remove("autos").ok());
    leap(1min);
    EXPECT_TRUE(put(test_definition("autos")).value());
    EXPECT_EQ(text_of(edit("autos", {numbers({5}), {}})), "added #5");
    EXPECT_EQ(ask("autos", "v-0"), "#5");
    EXPECT_EQ(text_of(edit("autos", {numbers({0}), {}})), "added #0");
    EXPECT_EQ(ask("autos", "v-0"), "#5");
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted") << "the old one is still promised";
    leap_to(start_ + 35min);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
}

TEST_P(PoolsContract, ANumberThatWasInAnotherPoolMeanwhileIsTheLastHoldersThere) {
    create("autos", 1);
    create("boats", 0);
    ask("autos", "v-0");
    leap(35min);
    EXPECT_EQ(text_of(set("autos", {})), "removed #0");
    EXPECT_EQ(text_of(set("boats", numbers({0}))), "added #0");
    leap(1min);
    EXPECT_EQ(ask("boats", "v-1"), "#0");
    EXPECT_TRUE(remove("boats").ok());
    EXPECT_EQ(text_of(set("autos", numbers({0}))), "added #0");
    EXPECT_EQ(ask("autos", "v-0"), "overflow: exhausted") << "it is no longer this session's";
    leap(35min);
    EXPECT_EQ(ask("autos", "v-0"), "#0");
}

}  // namespace
}  // namespace ringmaster::store_contract
