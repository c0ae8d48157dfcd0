#include "ringmaster/api/output.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;

TEST(JsonObject, WritesMembersInOrder) {
    std::string out = "<";
    JsonObject object(out);
    object.text("text", "a\"\n\xff").count("count", -1).boolean("yes", true).boolean("no", false);
    object.time("time", WallTime(1ms)).number("n", ringpool::PhoneNumber::from_digits(18665550142));
    append_json_array(object.value("list"), std::vector<int>{1, 2, 3},
                      [&](int i) { out += std::to_string(i); });
    append_json_array(object.value("none"), std::vector<int>(), [](int) {});
    JsonObject inner(object.value("i\"n"));
    inner.end();
    object.end();
    EXPECT_EQ(out,
              "<{\"text\":\"a\\\"\\n\xef\xbf\xbd\",\"count\":-1,\"yes\":true,\"no\":false,"
              "\"time\":\"1970-01-01T00:00:00.001Z\",\"n\":\"+18665550142\",\"list\":[1,2,3],"
              "\"none\":[],\"i\\\"n\":{}}");
}

TEST(CsvField, IsQuotedWhereItMustBe) {
    const auto field = [](std::string_view text) {
        std::string out = "<";
        append_csv_field(out, text);
        return out;
    };
    EXPECT_EQ(field("a b"), "<a b");
    EXPECT_EQ(field(""), "<");
    EXPECT_EQ(field("a,b"), "<\"a,b\"");
    EXPECT_EQ(field("a\"b"), "<\"a\"\"b\"");
    EXPECT_EQ(field("a\r"), "<\"a\r\"");
    EXPECT_EQ(field("a\nb"), "<\"a\nb\"");
}

}  // namespace
}  // namespace ringmaster::api
