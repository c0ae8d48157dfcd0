#include "ringmaster/http/weighted_list.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

/// "value=weight value=weight ...".
std::string read(std::string_view list) {
    std::string text;
    while (!list.empty()) {
        const Weighted member = take_weighted(list);
        text.append(text.empty() ? "" : " ").append(member.value).append("=");
        text += std::to_string(member.thousandths);
    }
    return text;
}

TEST(WeightedList, HasAWeightForEachMember) {
    EXPECT_EQ(read("gzip"), "gzip=1000");
    EXPECT_EQ(read("gzip;q=0.5, br ; q=0.25,identity;q=0"), "gzip=500 br=250 identity=0");
    EXPECT_EQ(read("a;q=1,b;q=1.000,c;q=0.001,d;q=0."), "a=1000 b=1000 c=1 d=0");
    EXPECT_EQ(read("text/html;level=1;Q=0.4;x=y"), "text/html=400");
}

TEST(WeightedList, TakesForOneWhatIsNoWeight) {
    EXPECT_EQ(read("a;q=,b;q=x,c;q=0.x,d;q=2,e;q=00,f;q"),
              "a=1000 b=1000 c=1000 d=1000 e=1000 "
              "f=1000");
}

TEST(WeightedList, HasEmptyMembers) {
    EXPECT_EQ(read(", gzip,\t,"), "=1000 gzip=1000 =1000");
    EXPECT_EQ(read(" ;q=0"), "=0");
}

}  // namespace
}  // namespace ringmaster::http
