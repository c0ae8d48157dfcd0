#include "ringmaster/net/endpoint.hpp"

#include <gtest/gtest.h>

namespace ringmaster::net {
namespace {

TEST(Endpoint, ReadsAndWritesEveryForm) {
    for (const char* text : {"127.0.0.1:8080", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:8080",
                             "[2001:db8::7]:1", "unix:/run/ringmaster/shard-0.sock"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_TRUE(endpoint.ok()) << text;
        EXPECT_EQ(to_string(*endpoint), text);
    }
}

TEST(Endpoint, RefusesWhatIsNotAnAddress) {
    const std::string long_path = "unix:/" + std::string(108, 'x');
    for (const std::string& text :
         {std::string(), std::string("8080"), std::string(":8080"), std::string("localhost:8080"),
          std::string("127.0.0.1"), std::string("127.0.0.1:"), std::string("127.0.0.1:65536"),
          std::string("127.0.0.1:80x"), std::string("127.0.0.1:-1"), std::string("::1:8080"),
          std::string("[127.0.0.1]:80"), std::string("[]:80"), std::string("unix:"), long_path}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_FALSE(endpoint.ok()) << text;
        EXPECT_EQ(endpoint.error().code, ErrorCode::invalid);
        EXPECT_NE(endpoint.error().message.find("'" + text + "'"), std::string::npos);
    }
}

}  // namespace
}  // namespace ringmaster::net
