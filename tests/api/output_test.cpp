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

TEST(JsonObject, WritesNumbersThatAreNotWhole) {
    std::string out;
    JsonObject object(out);
    object.real("a", 0.5).real("b", 1234567.0).real("c", 0.0000125).real("d", std::nullopt);
    object.real("e", 300).real("f", 0).end();
    EXPECT_EQ(out, R"({"a":0.5,"b":1.23457e+06,"c":1.25e-05,"d":null,"e":300,"f":0})");
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
