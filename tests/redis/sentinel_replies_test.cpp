#include "ringmaster/redis/sentinel_replies.hpp"

#include "redis/replies.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

TEST(MasterAddress, IsHostAndPort) {
    const auto address = parse_master_address(array({string("10.0.0.1"), string("6379")}));
    ASSERT_TRUE(address);
    EXPECT_EQ(address->host, "10.0.0.1");
    EXPECT_EQ(address->port, 6379);
}

TEST(MasterAddress, SaysWhereTheNameIsNotKnown) {
    const auto address = parse_master_address(nil());
    ASSERT_FALSE(address);
    EXPECT_EQ(address.error().code, ErrorCode::not_found);
}

TEST(MasterAddress, RefusesWhatIsNone) {
    for (const Reply& reply :
         {error("IDONTKNOW"), string("10.0.0.1:6379"), array({}), array({string("10.0.0.1")}),
          array({string(""), string("6379")}), array({string("10.0.0.1"), integer(6379)}),
          array({string("10.0.0.1"), string("0")}), array({string("10.0.0.1"), string("65536")}),
          array({string("10.0.0.1"), string("6379x")}),
          array({string("10.0.0.1"), string("6379"), string("")})}) {
        const auto address = parse_master_address(reply);
        ASSERT_FALSE(address);
        EXPECT_EQ(address.error().code, ErrorCode::invalid);
    }
}

TEST(SwitchMaster, TellsTheNewPrimary) {
    const auto address = parse_switch_master("main 10.0.0.1 6379 ::1 6380", "main");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->host, "::1");
    EXPECT_EQ(address->port, 6380);
}

TEST(SwitchMaster, IgnoresOtherNamesAndOtherTexts) {
    for (const char* message :
         {"other 10.0.0.1 6379 10.0.0.2 6380", "main 10.0.0.1 6379 10.0.0.2", "main", "",
          "main 10.0.0.1 6379 10.0.0.2 6380 more", "main 10.0.0.1 6379 10.0.0.2 0",
          "main 10.0.0.1 6379  6380", "main 10.0.0.1 6379 10.0.0.2 x"}) {
        EXPECT_FALSE(parse_switch_master(message, "main")) << message;
    }
}

TEST(Role, IsReadFromTheFirstWord) {
    EXPECT_TRUE(is_role_of_primary(array({string("master"), integer(0), array({})})));
    EXPECT_FALSE(is_role_of_primary(array({string("slave"), string("10.0.0.1"), integer(6379)})));
    EXPECT_FALSE(is_role_of_primary(array({})));
    EXPECT_FALSE(is_role_of_primary(string("master")));
    EXPECT_FALSE(is_role_of_primary(error("NOAUTH Authentication required.")));
}

}  // namespace
}  // namespace ringmaster::redis
