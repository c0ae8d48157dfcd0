#include "ringmaster/ringpool/phone_number.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

TEST(PhoneNumber, ReadsE164WithAndWithoutPlus) {
    EXPECT_EQ(PhoneNumber::parse_e164("+18665550142"), PhoneNumber::from_digits(18665550142));
    EXPECT_EQ(PhoneNumber::parse_e164("18665550142"), PhoneNumber::from_digits(18665550142));
}

TEST(PhoneNumber, ReadsSevenToFifteenDigits) {
    EXPECT_EQ(PhoneNumber::parse_e164("+123456"), std::nullopt);
    EXPECT_EQ(PhoneNumber::parse_e164("+1234567"), PhoneNumber::from_digits(1234567));
    EXPECT_EQ(PhoneNumber::parse_e164("+999999999999999"),
              PhoneNumber::from_digits(999999999999999));
    EXPECT_EQ(PhoneNumber::parse_e164("+1000000000000000"), std::nullopt);
}

TEST(PhoneNumber, RefusesAllElse) {
    for (const std::string text :
         {"", "+", "++18665550142", "+08665550142", "08665550142", "+1 866 555 0142",
          "+1-866-555-0142", "18665550142 ", " 18665550142", "1866555O142", "+1866555014+"}) {
        EXPECT_EQ(PhoneNumber::parse_e164(text), std::nullopt) << text;
    }
    EXPECT_EQ(PhoneNumber::parse_e164(std::string("1866555014\0", 11)), std::nullopt);
    EXPECT_EQ(PhoneNumber::parse_e164("1866555\xD9\xA1\xD9\xA2"), std::nullopt);
}

TEST(PhoneNumber, WritesE164) {
    const auto number = PhoneNumber::from_digits(18665550142);
    EXPECT_EQ(number.e164(), "+18665550142");
    std::string text = "tel:";
    number.append_e164(text);
    EXPECT_EQ(text, "tel:+18665550142");
}

TEST(PhoneNumber, IsFalseOnlyWhereThereIsNone) {
    EXPECT_FALSE(PhoneNumber());
    EXPECT_TRUE(PhoneNumber::from_digits(18665550142));
}

TEST(FormattedNumber, KeepsItsText) {
    EXPECT_EQ(FormattedNumber().view(), "");
    EXPECT_EQ(FormattedNumber("866-555-0142").view(), "866-555-0142");
}

TEST(FormattedNumber, CutsOffWhatIsTooLong) {
    const std::string longest(FormattedNumber::kCapacity, '5');
    EXPECT_EQ(FormattedNumber(longest).view(), longest);
    EXPECT_EQ(FormattedNumber(longest + "6").view(), longest);
}

}  // namespace
}  // namespace ringmaster::ringpool
