#include "ringmaster/store/crc32c.hpp"

#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

TEST(Crc32c, MatchesTheExamplesOfRfc3720) {
    const std::vector<std::byte> zeros(32);
    const std::vector<std::byte> ones(32, std::byte{0xff});
    std::vector<std::byte> up;
    for (int i = 0; i < 32; ++i) up.push_back(std::byte(i));
    const std::vector<std::byte> down(up.rbegin(), up.rend());
    EXPECT_EQ(crc32c(zeros), 0x8A9136AAu);
    EXPECT_EQ(crc32c(ones), 0x62A8AB43u);
    EXPECT_EQ(crc32c(up), 0x46DD794Eu);
    EXPECT_EQ(crc32c(down), 0x113FDB5Cu);
    EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
}

TEST(Crc32c, OfNothingIsWhatWasBefore) {
    EXPECT_EQ(crc32c({}), 0u);
    EXPECT_EQ(crc32c({}, 0x12345678u), 0x12345678u);
}

TEST(Crc32c, GoesOnFromAnyPlace) {
    const auto whole = bytes_of("hands out tracking phone numbers");
    for (std::size_t i = 0; i <= whole.size(); ++i) {
        const auto front = std::span(whole).first(i);
        const auto back = std::span(whole).subspan(i);
        EXPECT_EQ(crc32c(back, crc32c(front)), crc32c(whole)) << i;
    }
}

TEST(Crc32c, TheTableAndTheInstructionAgreeAtEveryLengthAndAlignment) {
    if (!detail::has_crc32c_instruction()) GTEST_SKIP() << "this processor has only the table";
    std::mt19937 random(1);
    std::vector<std::byte> bytes(300);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    for (std::size_t from = 0; from < 9; ++from) {
        for (std::size_t length = 0; length < 280; ++length) {
            const auto part = std::span(bytes).subspan(from, length);
            ASSERT_EQ(crc32c(part, 77), detail::crc32c_by_table(part, 77)) << from << " " << length;
        }
    }
}

}  // namespace
}  // namespace ringmaster::store
