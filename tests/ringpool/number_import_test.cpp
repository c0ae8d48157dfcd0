#include "ringmaster/ringpool/number_import.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/seed.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NumberImport import(std::string_view text, const NumberImportLimits& limits = {}) {
    fuzz::keep_seed("number_file", text);
    auto result = import_numbers(text, "US", limits);
    if (!result) {
        ADD_FAILURE() << result.error().message;
        return {};
    }
    return std::move(*result);
}

std::vector<std::string> numbers_of(const NumberImport& result) {
    std::vector<std::string> texts;
    for (const PoolNumber& number : result.numbers) texts.push_back(number.number.e164());
    return texts;
}

std::vector<std::string> numbers_in(std::string_view text) {
    return numbers_of(import(text));
}

/// "line: reason" of each refused line.
std::vector<std::string> refusals_in(std::string_view text, const NumberImportLimits& limits = {}) {
    std::vector<std::string> texts;
    for (const RefusedLine& refused : import(text, limits).refused) {
        texts.push_back(std::to_string(refused.line) + ": " + refused.reason);
    }
    return texts;
}

TEST(ImportNumber, ReadsAnyUsualWayOfWriting) {
    for (const std::string text :
         {"+18665550142", "18665550142", "8665550142", "866-555-0142", "(866) 555-0142",
          "1 (866) 555-0142", "+1 866 555 0142", "866.555.0142", "1-866-555-0142",
          "  866 555 0142\t", "tel:+1-866-555-0142",
          "+1 (866) 555\xE2\x80\x91"
          "0142",
          "\xEF\xBC\x8B\xEF\xBC\x91"
          "8665550142",
          "011 1 866 555 0142"}) {
        fuzz::keep_seed("number_file", text);
        const auto number = import_number(text, "US");
        ASSERT_TRUE(number) << text << ": " << number.error().message;
        EXPECT_EQ(number->number.e164(), "+18665550142") << text;
        EXPECT_EQ(number->formatted.view(), "866-555-0142") << text;
    }
    EXPECT_EQ(import_number("1-800-FLOWERS", "US")->number.e164(), "+18003569377");
}

TEST(ImportNumber, FormatsNumbersOfOtherCountriesInternationally) {
    const auto london = import_number("+44 20 7946 0018", "US");
    ASSERT_TRUE(london);
    EXPECT_EQ(london->number.e164(), "+442079460018");
    EXPECT_EQ(london->formatted.view(), "+44 20 7946 0018");
    const auto rome = import_number("+39 06 1234 5678", "US");
    ASSERT_TRUE(rome);
    EXPECT_EQ(rome->number.e164(), "+390612345678") << "the zero belongs to the number";
}

TEST(ImportNumber, TakesANumberWithoutCountryCodeForOneOfTheRegion) {
    EXPECT_EQ(import_number("020 7946 0018", "GB")->number.e164(), "+442079460018");
    EXPECT_EQ(import_number("+1 866 555 0142", "GB")->formatted.view(), "866-555-0142");
    EXPECT_EQ(import_number("416 555 0142", "CA")->number.e164(), "+14165550142");
    EXPECT_EQ(import_number("1 866 555 0142", "GB").ok(), false);
    EXPECT_EQ(import_number("866-555-0142", "XX").error().code, ErrorCode::invalid);
    EXPECT_THAT(import_number("866-555-0142", "us").error().message, HasSubstr("'us'"));
    EXPECT_FALSE(import_number("866-555-0142", ""));
}

TEST(ImportNumber, SaysWhyItRefuses) {
    const auto reason = [](std::string_view text) {
        fuzz::keep_seed("number_file", text);
        const auto result = import_number(text, "US");
        if (result) return "accepted as " + result->number.e164();
        EXPECT_EQ(result.error().code, ErrorCode::invalid);
        return result.error().message;
    };
    EXPECT_THAT(reason(""), HasSubstr("not a phone number"));
    EXPECT_THAT(reason("hello"), HasSubstr("not a phone number"));
    EXPECT_THAT(reason("866-555-01"), HasSubstr("too short"));
    EXPECT_THAT(reason("866-555-01423"), HasSubstr("too long"));
    EXPECT_THAT(reason("+1 866-555-01423"), HasSubstr("too long"));
    EXPECT_THAT(reason("555-0142"), HasSubstr("area code"));
    EXPECT_THAT(reason("266-055-0142"), HasSubstr("no valid number of country code 1"));
    EXPECT_THAT(reason("066-555-0142"), HasSubstr("no valid number"));
    EXPECT_THAT(reason("166-555-0142"), HasSubstr("no valid number"));
    EXPECT_THAT(reason("+999123456789"), HasSubstr("country code"));
    EXPECT_THAT(reason("866-555-0142 x5"), HasSubstr("extension"));
    EXPECT_THAT(reason("++1 866 555 01"), HasSubstr("too short"));
    EXPECT_THAT(reason(std::string(400, '8')), HasSubstr("too long"));
}

TEST(ImportNumber, BearsAnyBytes) {
    std::mt19937 random(1);
    const std::string_view alphabet = "+0123456789 -()x;,\"\n\0\x80\xC3\xA9\xEF\xBC\xFF"sv;
    for (int i = 0; i < 20'000; ++i) {
        std::string text(random() % 24, ' ');
        for (char& c : text) c = alphabet[random() % alphabet.size()];
        const auto result = import_number(text, "US");
        if (!result) continue;
        EXPECT_TRUE(PhoneNumber::parse_e164(result->number.e164())) << text;
    }
}

TEST(ImportNumbers, ReadsOneNumberPerLine) {
    EXPECT_THAT(numbers_in("866-555-0142\n(212) 555-0100\n"),
                ElementsAre("+18665550142", "+12125550100"));
    EXPECT_THAT(numbers_in("866-555-0142\r\n(212) 555-0100"),
                ElementsAre("+18665550142", "+12125550100"));
    EXPECT_THAT(numbers_in("\xEF\xBB\xBF"
                           "866-555-0142"),
                ElementsAre("+18665550142"));
    EXPECT_THAT(numbers_in(""), IsEmpty());
}

TEST(ImportNumbers, SkipsBlankLinesAndCommentsButCountsThem) {
    const NumberImport result =
        import("# toll-free\n\n  \t\r\n866-555-0142\n  # 212-555-0100\nbad\n");
    EXPECT_THAT(numbers_of(result), ElementsAre("+18665550142"));
    ASSERT_EQ(result.refused.size(), 1u);
    EXPECT_EQ(result.refused[0].line, 6u);
    EXPECT_EQ(result.refused[0].text, "bad");
}

TEST(ImportNumbers, TakesTheFirstColumnOfCsv) {
    EXPECT_THAT(numbers_in("866-555-0142,main,\"x,y\"\n\"(212) 555-0100\",212-555-0101\n"),
                ElementsAre("+18665550142", "+12125550100"));
}

TEST(ImportNumbers, TakesTheColumnThatTheHeaderNames) {
    for (const std::string name : {"number", "Phone", "PHONE_NUMBER", " e164 ", "\"E164\""}) {
        const std::string header = "# exported\nname," + name + ",note\n";
        EXPECT_THAT(numbers_in(header + "main,866-555-0142,x\n\"a, b\",212-555-0100\n"),
                    ElementsAre("+18665550142", "+12125550100"))
            << name;
    }
    EXPECT_THAT(numbers_in("number\n866-555-0142\n"), ElementsAre("+18665550142"));
}

TEST(ImportNumbers, TakesOnlyTheFirstRowForAHeader) {
    EXPECT_THAT(refusals_in("866-555-0142\nnumber\n"), ElementsAre("2: not a phone number"));
    EXPECT_THAT(refusals_in("number\nnumber\n"), ElementsAre("2: not a phone number"));
    EXPECT_THAT(refusals_in("Telefon,Name\n866-555-0142,x\n"),
                ElementsAre("1: not a phone number"));
}

TEST(ImportNumbers, RefusesARowWithoutTheColumn) {
    EXPECT_THAT(refusals_in("name,number\nmain\n,\n"),
                ElementsAre("2: there is no column 2", "3: not a phone number"));
}

TEST(ImportNumbers, ReadsQuotesAsRfc4180) {
    EXPECT_THAT(numbers_in("name,number\n\"say \"\"hi\"\"\nand more\",866-555-0142\n"),
                ElementsAre("+18665550142"));
    const NumberImport result = import("name,number\n\"two\nlines\",bad\nx,866-555-0142\ny,bad\n");
    EXPECT_THAT(numbers_of(result), ElementsAre("+18665550142"));
    ASSERT_EQ(result.refused.size(), 2u);
    EXPECT_EQ(result.refused[0].line, 2u);
    EXPECT_EQ(result.refused[0].text, "\"two");
    EXPECT_EQ(result.refused[1].line, 5u);
}

TEST(ImportNumbers, GoesOnBehindABadQuote) {
    const NumberImport open = import("\"866-555-0142\n212-555-0100\n212-555-0101");
    EXPECT_THAT(numbers_of(open), ElementsAre("+12125550100", "+12125550101"));
    ASSERT_EQ(open.refused.size(), 1u);
    EXPECT_THAT(open.refused[0].reason, HasSubstr("not closed"));

    const NumberImport late = import("\"866-555-0142\"1,x\n212-555-0100\n\"");
    EXPECT_THAT(numbers_of(late), ElementsAre("+12125550100"));
    EXPECT_EQ(late.refused.size(), 2u);
}

TEST(ImportNumbers, RefusesARepeatAndNamesTheFirst) {
    const NumberImport result = import("# list\n866-555-0142\n212-555-0100\n+1 (866) 555-0142\n");
    EXPECT_THAT(numbers_of(result), ElementsAre("+18665550142", "+12125550100"));
    ASSERT_EQ(result.refused.size(), 1u);
    EXPECT_EQ(result.refused[0].line, 4u);
    EXPECT_EQ(result.refused[0].text, "+1 (866) 555-0142");
    EXPECT_EQ(result.refused[0].reason, "repeats the number of line 2");
}

TEST(ImportNumbers, BoundsTheLengthOfARow) {
    const NumberImportLimits limits{.max_line_bytes = 20};
    const std::string exact = "866-555-0142,12345\r\n";  // 19 bytes and the newline
    EXPECT_THAT(refusals_in(exact, limits), IsEmpty());
    EXPECT_THAT(refusals_in("866-555-0142,1234567\n", limits), IsEmpty());
    EXPECT_THAT(refusals_in("866-555-0142,1234567", limits), IsEmpty());
    EXPECT_THAT(refusals_in("866-555-0142,12345678\n212-555-0100\n", limits),
                ElementsAre("1: longer than 20 bytes"));
    EXPECT_THAT(refusals_in("866-555-0142,\"1\n23456\"\n", limits),
                ElementsAre("1: a quote is not closed within 20 bytes",
                            "2: too short for a number of country code 1"));
    EXPECT_THAT(refusals_in(std::string(1'000'000, '8'), limits),
                ElementsAre("1: longer than 20 bytes"));
    EXPECT_THAT(refusals_in("\"" + std::string(1'000'000, '8'), limits),
                ElementsAre("1: a quote is not closed within 20 bytes"));
}

TEST(ImportNumbers, BoundsTheNumberOfLines) {
    const NumberImportLimits limits{.max_lines = 3};
    EXPECT_TRUE(import_numbers("# a\n\n866-555-0142\n", "US", limits));
    for (const std::string text : {"# a\n\n866-555-0142\n212-555-0100", "\n\n\n\n",
                                   "# a\n\n866-555-0142\n# b\n", "866-555-0142,\"\n\n\n\"\n"}) {
        const auto result = import_numbers(text, "US", limits);
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().code, ErrorCode::invalid);
        EXPECT_THAT(result.error().message, HasSubstr("more than 3 lines"));
    }
}

TEST(ImportNumbers, ShowsOnlyTheBeginningOfALongLine) {
    const NumberImport result = import(std::string(4000, 'x'));
    ASSERT_EQ(result.refused.size(), 1u);
    EXPECT_LE(result.refused[0].text.size(), 80u);
}

TEST(ImportNumbers, FailsForAnUnknownRegion) {
    EXPECT_THAT(import_numbers("866-555-0142", "XX").error().message, HasSubstr("'XX'"));
}

}  // namespace
}  // namespace ringmaster::ringpool
