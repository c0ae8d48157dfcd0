#include "ringmaster/ringpool/context.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Parameters = std::vector<std::pair<std::string, std::string>>;

std::string canonical(const Parameters& parameters, ContextLimits limits = {}) {
    ContextBuilder builder(limits);
    for (const auto& [name, value] : parameters) {
        const auto added = builder.add(name, value);
        if (!added) ADD_FAILURE() << added.error().message;
    }
    std::string bytes;
    const std::size_t size = builder.finish(bytes);
    EXPECT_EQ(size, bytes.size());
    return bytes;
}

Parameters parameters_of(const Context& context) {
    Parameters parameters;
    context.for_each([&](std::string_view name, std::string_view value) {
        parameters.emplace_back(name, value);
    });
    return parameters;
}

TEST(Context, IsTheSameInWhateverOrderItsParametersCame) {
    const std::string expected = canonical({{"a", "1"}, {"b", "2"}, {"c", "3"}});
    EXPECT_EQ(canonical({{"c", "3"}, {"a", "1"}, {"b", "2"}}), expected);
    EXPECT_EQ(canonical({{"b", "2"}, {"c", "3"}, {"a", "1"}}), expected);
    EXPECT_THAT(parameters_of(Context(expected)),
                ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("c", "3")));
}

TEST(Context, HasTheDocumentedForm) {
    EXPECT_EQ(canonical({{"utm", "go"}, {"a", ""}}), std::string("\x01\x00\x00"
                                                                 "a"
                                                                 "\x03\x02\x00"
                                                                 "utmgo",
                                                                 12));
    const std::string value(0x0102, 'x');
    EXPECT_EQ(canonical({{"v", value}}), std::string("\x01\x02\x01v", 4) + value);
}

TEST(Context, TellsApartWhatConcatenationWouldNot) {
    EXPECT_NE(canonical({{"ab", "c"}}), canonical({{"a", "bc"}}));
    EXPECT_NE(canonical({{"a", "1"}, {"b", ""}}), canonical({{"a", "1b"}}));
    EXPECT_NE(canonical({{"a", ""}}), canonical({}));
}

TEST(Context, MayBeEmpty) {
    EXPECT_EQ(canonical({}), "");
    EXPECT_TRUE(Context("").empty());
    EXPECT_THAT(parameters_of(Context()), ElementsAre());
}

TEST(Context, KeepsAnyBytes) {
    const std::string nul("\0\xff,=", 4);
    EXPECT_THAT(parameters_of(Context(canonical({{nul, nul}}))), ElementsAre(Pair(nul, nul)));
}

TEST(Context, KeepsNamesAndValuesOfTheGreatestLength) {
    const ContextLimits limits{
        .max_parameters = 64, .max_name_bytes = 255, .max_value_bytes = 65535};
    const std::string name(255, 'n');
    const std::string value(65535, 'v');
    const std::string bytes = canonical({{name, value}}, limits);
    EXPECT_TRUE(Context::is_canonical(bytes));
    EXPECT_THAT(parameters_of(Context(bytes)), ElementsAre(Pair(name, value)));
}

TEST(Context, RecognisesItsCanonicalForm) {
    const std::string bytes = canonical({{"a", "1"}, {"b", ""}, {"\xff", "22"}});
    EXPECT_TRUE(Context::is_canonical(bytes));
    EXPECT_TRUE(Context::is_canonical(""));
}

TEST(Context, RefusesEveryTruncation) {
    const std::string bytes = canonical({{"a", "1"}, {"b", "22"}});
    const std::size_t first = canonical({{"a", "1"}}).size();
    for (std::size_t size = 1; size < bytes.size(); ++size) {
        EXPECT_EQ(Context::is_canonical(bytes.substr(0, size)), size == first) << size;
    }
    EXPECT_FALSE(Context::is_canonical(bytes + '\x01'));
}

TEST(Context, RefusesWhatNoBuilderWrites) {
    const std::string a = canonical({{"a", "1"}});
    const std::string b = canonical({{"b", "1"}});
    EXPECT_TRUE(Context::is_canonical(a + b));
    EXPECT_FALSE(Context::is_canonical(b + a)) << "not in order";
    EXPECT_FALSE(Context::is_canonical(a + a)) << "a name twice";
    EXPECT_FALSE(Context::is_canonical(std::string("\x00\x01\x00v", 4))) << "an empty name";
    EXPECT_FALSE(Context::is_canonical(std::string("\xff\xff\xff", 3))) << "lengths of nothing";
}

TEST(ContextBuilder, RefusesWhatIsPastALimitAndNamesIt) {
    ContextBuilder builder({.max_parameters = 2, .max_name_bytes = 3, .max_value_bytes = 4});
    EXPECT_EQ(builder.add("", "x").error().code, ErrorCode::invalid);
    EXPECT_THAT(builder.add("four", "x").error().message,
                AllOf(HasSubstr("'four'"), HasSubstr("3 bytes")));
    EXPECT_THAT(builder.add("abc", "12345").error().message,
                AllOf(HasSubstr("'abc'"), HasSubstr("4 bytes")));
    ASSERT_TRUE(builder.add("abc", "1234"));
    EXPECT_THAT(builder.add("abc", "").error().message,
                AllOf(HasSubstr("'abc'"), HasSubstr("twice")));
    ASSERT_TRUE(builder.add("b", ""));
    EXPECT_THAT(builder.add("c", "").error().message,
                AllOf(HasSubstr("'c'"), HasSubstr("at most 2")));
}

TEST(ContextBuilder, ForgetsWhatItRefused) {
    ContextBuilder builder({.max_parameters = 2, .max_name_bytes = 3, .max_value_bytes = 4});
    ASSERT_TRUE(builder.add("a", "1"));
    ASSERT_FALSE(builder.add("a", "2"));
    ASSERT_FALSE(builder.add("b", "12345"));
    std::string bytes;
    builder.finish(bytes);
    EXPECT_EQ(bytes, canonical({{"a", "1"}}));
}

TEST(ContextBuilder, ShowsOnlyTheBeginningOfAHugeName) {
    ContextBuilder builder({});
    EXPECT_LT(builder.add(std::string(1'000'000, 'x'), "").error().message.size(), 200u);
}

TEST(ContextBuilder, TakesAsManyAsItCanHold) {
    ContextBuilder builder({.max_parameters = ContextBuilder::kCapacity});
    const std::string name(ContextBuilder::kCapacity, 'a');
    for (std::size_t size = name.size(); size > 0; --size) {
        ASSERT_TRUE(builder.add(std::string_view(name).substr(0, size), "v"));
    }
    EXPECT_FALSE(builder.add("b", "v"));
    std::string bytes;
    builder.finish(bytes);
    EXPECT_TRUE(Context::is_canonical(bytes));
    EXPECT_EQ(parameters_of(Context(bytes)).size(), ContextBuilder::kCapacity);
}

TEST(ContextBuilder, IsReusable) {
    ContextBuilder builder({});
    std::string arena;
    ASSERT_TRUE(builder.add("a", "1"));
    const std::size_t first = builder.finish(arena);
    builder.start();
    ASSERT_TRUE(builder.add("a", "2"));
    const std::size_t second = builder.finish(arena);
    EXPECT_EQ(arena.substr(0, first), canonical({{"a", "1"}}));
    EXPECT_EQ(arena.substr(first, second), canonical({{"a", "2"}}));
}

TEST(ContextBuilder, RefusesLimitsThatTheFormCannotHold) {
    EXPECT_THROW(ContextBuilder({.max_parameters = 65}), std::invalid_argument);
    EXPECT_THROW(ContextBuilder({.max_name_bytes = 256}), std::invalid_argument);
    EXPECT_THROW(ContextBuilder({.max_value_bytes = 65536}), std::invalid_argument);
}

}  // namespace
}  // namespace ringmaster::ringpool
