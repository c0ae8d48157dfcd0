#include "ringmaster/api/json_tokens.hpp"

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/http/request.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

/// A text with something behind it that a reader must not take for a part of it.
struct Padded {
    Padded(std::string_view text, char after) : bytes(text), size(text.size()) {
        bytes.append(http::Request::kBodyPadding, after);
    }
    std::string_view view() const { return std::string_view(bytes).substr(0, size); }
    std::string bytes;
    std::size_t size;
};

bool reads_to_the_end(JsonTokens& tokens, std::string_view text, char after) {
    const Padded padded(text, after);
    std::string decoded;
    return tokens.start(padded.view(), decoded) && tokens.skip(0) && tokens.at_end();
}

TEST(JsonTokens, ReadsInOrder) {
    const Padded text(R"( { "a" : [ "x\ty" , -1.5e3 ,true ] , "\u0062":null} )", ' ');
    JsonTokens tokens;
    std::string decoded;
    std::string seen;
    ASSERT_TRUE(tokens.start(text.view(), decoded));
    EXPECT_TRUE(tokens.take_object([&](std::string_view name) {
        seen.append(name).append(":");
        std::string_view value;
        if (tokens.peek() != '[') {
            EXPECT_TRUE(tokens.take_word(value));
            seen.append(value);
            return true;
        }
        return tokens.take_array([&] {
            const bool good =
                tokens.peek() == '"' ? tokens.take_string(value) : tokens.take_word(value);
            seen.append(value).append(",");
            return good;
        });
    }));
    EXPECT_TRUE(tokens.at_end());
    EXPECT_EQ(tokens.peek(), '\0');
    EXPECT_EQ(seen, "a:x\ty,-1.5e3,true,b:null");
}

TEST(JsonTokens, StringsStayWhereTheyAreUntilTheNextText) {
    const Padded text(R"(["plain","\u0041\n","\\","",   "end\""])", 'x');
    JsonTokens tokens;
    std::string decoded;
    std::vector<std::string_view> strings;
    ASSERT_TRUE(tokens.start(text.view(), decoded));
    EXPECT_TRUE(tokens.take_array([&] { return tokens.take_string(strings.emplace_back()); }));
    EXPECT_EQ(strings, (std::vector<std::string_view>{"plain", "A\n", "\\", "", "end\""}));
    EXPECT_EQ(strings[0].data(), text.bytes.data() + 2) << "not copied";
}

TEST(JsonTokens, TakesNothingOfAnotherKind) {
    const Padded text("[1]", ' ');
    JsonTokens tokens;
    std::string decoded;
    std::string_view string;
    ASSERT_TRUE(tokens.start(text.view(), decoded));
    EXPECT_FALSE(tokens.take('{'));
    EXPECT_FALSE(tokens.take_string(string));
    EXPECT_FALSE(tokens.take_object([](std::string_view) { return true; }));
    EXPECT_TRUE(tokens.skip(0)) << "nothing was taken so far";
}

TEST(JsonTokens, GivesUpWhereItsUserDoes) {
    const Padded text("[1,2]", ' ');
    JsonTokens tokens;
    std::string decoded;
    ASSERT_TRUE(tokens.start(text.view(), decoded));
    EXPECT_FALSE(tokens.take_array([] { return false; }));
}

TEST(JsonTokens, CanBeUsedAgainAfterTextsOfAnySize) {
    JsonTokens tokens;
    for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 5'000u, 3'000'000u, 10u, 300'000u, 20u}) {
        std::string text(size + 1, 'a');
        text.front() = '"';
        EXPECT_FALSE(reads_to_the_end(tokens, text, '"')) << size;
        text += '"';
        EXPECT_TRUE(reads_to_the_end(tokens, text, '"')) << size;
        EXPECT_TRUE(reads_to_the_end(tokens, std::string(size, ' ') + "1", '2')) << size;
    }
}

/// Whoever reads to the end has checked everything: the same as the slow checker, whatever stands
/// behind the text.
class AgreesWithTheChecker : public ::testing::Test {
  protected:
    void compare(std::string_view text) {
        const bool good = !find_json_fault(text);
        for (const char after : {'\0', ' ', ',', ':', '}', ']', '"', '{', '[', '1', '\\'}) {
            ASSERT_EQ(reads_to_the_end(tokens_, text, after), good) << text << " before " << after;
        }
    }
    JsonTokens tokens_;
};

TEST_F(AgreesWithTheChecker, OnEveryBeginningOfAText) {
    const std::string text =
        R"({"requests":[{"pool":"a\u00e9\ud83d\ude00b","context":{"n":-1.5e3,"t":true,"u":null}},)"
        R"([[],{}],"é" , 0 ] , "x" : false } )";
    for (std::size_t size = 0; size <= text.size(); ++size) compare(text.substr(0, size));
}

TEST_F(AgreesWithTheChecker, OnHostileShapes) {
    for (const std::string_view text : {"{\"a\":\"b\":1}",
                                        "{\"a\"}",
                                        "{,}",
                                        "[,]",
                                        "[1,,2]",
                                        "{\"a\":1,,\"b\":2}",
                                        "[1]]",
                                        "[[1]",
                                        "{}}",
                                        "}",
                                        "]",
                                        ",",
                                        ":",
                                        "\"a\"\"b\"",
                                        "\"a\"b",
                                        "1\"a\"",
                                        "[1 2]",
                                        "[tru]",
                                        "[truee]",
                                        "{1:2}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\" \"b\"}",
                                        "[\"a\":1]",
                                        "{\"a\":[}",
                                        "[{]}",
                                        "[{}",
                                        "[\"\\\"]",
                                        "[\"\\\\\"]",
                                        "[\"\\u\"]",
                                        "\xef\xbb\xbf[]",
                                        "[\x0c]",
                                        "[\xc2\xa0]",
                                        "[\"\x01\"]",
                                        "[\"\xff\"]",
                                        "['a']",
                                        "[0x1]",
                                        "[01]",
                                        "[-]",
                                        "[1.]",
                                        "/**/[]",
                                        "[1,]",
                                        "{\"a\":1,}"}) {
        compare(text);
    }
}

TEST_F(AgreesWithTheChecker, AtTheBoundOfTheDepth) {
    for (const std::size_t depth : {kMaxJsonDepth - 1, kMaxJsonDepth, kMaxJsonDepth + 1}) {
        compare(std::string(depth, '[') + std::string(depth, ']'));
        std::string objects;
        for (std::size_t i = 0; i < depth; ++i) objects += "{\"a\":";
        compare(objects + "1" + std::string(depth, '}'));
    }
}

TEST_F(AgreesWithTheChecker, OnRandomDamage) {
    const std::string text =
        R"({"requests":[{"pool":"autos","key":"A\n3","session":"v-81","context":)"
        R"({"utm":"go\"ogle","n":12.5,"t":true}},{"x":[1,{"y":null}],"key":"77AA01"}]})";
    const std::string_view alphabet = "{}[]:,\"\\ 01-.eEtrufalsn\n\x01\x80\xc3\xa9";
    std::mt19937 random(20261121);
    for (int round = 0; round < 20'000; ++round) {
        std::string damaged = text;
        for (auto changes = random() % 3 + 1; changes > 0; --changes) {
            const std::size_t at = random() % damaged.size();
            const char c = alphabet[random() % alphabet.size()];
            switch (random() % 3) {
                case 0: damaged[at] = c; break;
                case 1: damaged.erase(at, random() % 4 + 1); break;
                default: damaged.insert(at, 1, c);
            }
        }
        ASSERT_NO_FATAL_FAILURE(compare(damaged));
    }
}

}  // namespace
}  // namespace ringmaster::api
