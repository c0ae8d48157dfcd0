#include "ringmaster/redis/redis_url.hpp"

#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {

void PrintTo(const ServerAddress& address, std::ostream* out) {
    *out << address.text();
}

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = RedisUrl::Kind;

struct Right {
    std::string url;
    RedisUrl is;
    std::string text;  ///< for people
};

ServerAddress tcp(std::string host, std::uint16_t port) {
    return {.host = std::move(host), .port = port, .path = {}};
}
ServerAddress unix_socket(std::string path) {
    return {.host = {}, .port = 0, .path = std::move(path)};
}

// The fields of RedisUrl: kind, servers, user, password, database, master_name, sentinel_password.
const std::vector<Right> kRight = {
    {"redis://db", {Kind::single, {tcp("db", 6379)}, "", "", 0, "", ""}, "redis://db:6379"},
    {"redis://db/", {Kind::single, {tcp("db", 6379)}, "", "", 0, "", ""}, "redis://db:6379"},
    {"redis://10.0.0.1:7000/0",
     {Kind::single, {tcp("10.0.0.1", 7000)}, "", "", 0, "", ""},
     "redis://10.0.0.1:7000"},
    {"redis://[2001:db8::1]/15",
     {Kind::single, {tcp("2001:db8::1", 6379)}, "", "", 15, "", ""},
     "redis://[2001:db8::1]:6379/15"},
    {"redis://[::1]:65535",
     {Kind::single, {tcp("::1", 65535)}, "", "", 0, "", ""},
     "redis://[::1]:65535"},
    {"redis://:secret@db_1.example.com",
     {Kind::single, {tcp("db_1.example.com", 6379)}, "", "secret", 0, "", ""},
     "redis://db_1.example.com:6379"},
    {"redis://app:s%3a%40%2F%3f%25@db:1",
     {Kind::single, {tcp("db", 1)}, "app", "s:@/?%", 0, "", ""},
     "redis://app@db:1"},
    {"redis://app:a:b@c@db",
     {Kind::single, {tcp("db", 6379)}, "app", "a:b@c", 0, "", ""},
     "redis://app@db:6379"},
    {"redis+unix:///run/redis.sock",
     {Kind::single, {unix_socket("/run/redis.sock")}, "", "", 0, "", ""},
     "redis+unix:///run/redis.sock"},
    {"redis+unix://app:pw@/run/a%20b@c.sock?database=2",
     {Kind::single, {unix_socket("/run/a b@c.sock")}, "app", "pw", 2, "", ""},
     "redis+unix://app@/run/a b@c.sock?database=2"},
    {"redis+sentinel://s1,s2:7,[::1]:8/main",
     {Kind::sentinel, {tcp("s1", 26379), tcp("s2", 7), tcp("::1", 8)}, "", "", 0, "main", ""},
     "redis+sentinel://s1:26379,s2:7,[::1]:8/main"},
    {"redis+sentinel://app:pw@s1/my%2Fmain/4?sentinel_password=p%26q",
     {Kind::sentinel, {tcp("s1", 26379)}, "app", "pw", 4, "my/main", "p&q"},
     "redis+sentinel://app@s1:26379/my/main/4"},
    {"redis+cluster://n1,n2:7001",
     {Kind::cluster, {tcp("n1", 6379), tcp("n2", 7001)}, "", "", 0, "", ""},
     "redis+cluster://n1:6379,n2:7001"},
    {"redis+cluster://:pw@n1/0",
     {Kind::cluster, {tcp("n1", 6379)}, "", "pw", 0, "", ""},
     "redis+cluster://n1:6379"},
};

TEST(RedisUrl, IsReadAsWritten) {
    for (const Right& right : kRight) {
        SCOPED_TRACE(right.url);
        const auto url = parse_redis_url(right.url);
        ASSERT_TRUE(url.ok()) << url.error().message;
        EXPECT_EQ(url->kind, right.is.kind);
        EXPECT_EQ(url->servers, right.is.servers);
        EXPECT_EQ(url->user, right.is.user);
        EXPECT_EQ(url->password, right.is.password);
        EXPECT_EQ(url->database, right.is.database);
        EXPECT_EQ(url->master_name, right.is.master_name);
        EXPECT_EQ(url->sentinel_password, right.is.sentinel_password);
        EXPECT_EQ(url->text(), right.text);
    }
}

TEST(RedisUrl, WhatIsWrongIsToldWithoutRepeatingAnySecret) {
    struct Wrong {
        std::string url;
        std::string why;
    };
    const std::vector<Wrong> wrong = {
        {"", "should begin with redis://"},
        {"db:6379", "should begin with redis://"},
        {"http://db", "should begin with redis://"},
        {"REDIS://db", "should begin with redis://"},
        {"redis+mystery://db", "should begin with redis://"},
        {"rediss://db", "TLS to Redis is not spoken; put stunnel"},
        {"rediss+cluster://:SECRET@db", "TLS to Redis is not spoken; put stunnel"},
        {"redis://", "a server should be given as host"},
        {"redis:///0", "a server should be given as host"},
        {"redis://:SECRET", "a server should be given as host"},
        {"redis://app:SECRET", "a server should be given as host"},
        {"redis://:SECRET@", "a server should be given as host"},
        {"redis://db:", "a server should be given as host"},
        {"redis://db:0", "a server should be given as host"},
        {"redis://db:65536", "a server should be given as host"},
        {"redis://db:-1", "a server should be given as host"},
        {"redis://db:6379x", "a server should be given as host"},
        {"redis://d b", "a server should be given as host"},
        {"redis://::1", "a server should be given as host"},
        {"redis://[::1", "a server should be given as host"},
        {"redis://[::1]6379", "a server should be given as host"},
        {"redis://[db]:1", "a server should be given as host"},
        {"redis://db/x", "the database should be a number"},
        {"redis://db/-1", "the database should be a number"},
        {"redis://db/2147483648", "the database should be a number"},
        {"redis://db/0/", "the database should be a number"},
        {"redis://db?database=1", "after '?' there may only be"},
        {"redis://db?sentinel_password=SECRET", "after '?' there may only be"},
        {"redis://a,b", "redis:// takes one server"},
        {"redis://SECRET@db", "should be user:password or :password"},
        {"redis://:@db", "the password is missing"},
        {"redis://app:@db", "the password is missing"},
        {"redis://:SECRET%2@db", "two hexadecimal digits"},
        {"redis://:SECRET%zz@db", "two hexadecimal digits"},
        {"redis://:SECRET%+1@db", "two hexadecimal digits"},
        {"redis://:SEC/RET@db", "%2F"},
        {"redis://:SEC?RET@db", "%3F"},
        {"redis+unix://", "followed by the path of a socket"},
        {"redis+unix:///", "followed by the path of a socket"},
        {"redis+unix:///a%00b", "followed by the path of a socket"},
        {"redis+unix://run/redis.sock", "a path should follow redis+unix://"},
        {"redis+unix:///run/x?database=", "the database should be a number"},
        {"redis+unix:///run/x?timeout=1", "after '?' there may only be"},
        {"redis+unix:///" + std::string(107, 'x'), "at most 107 bytes"},
        {"redis+sentinel://s1", "needs the name of the master"},
        {"redis+sentinel://s1/", "needs the name of the master"},
        {"redis+sentinel://s1//0", "needs the name of the master"},
        {"redis+sentinel://s1,/main", "a server should be given as host"},
        {"redis+sentinel://,s1/main", "a server should be given as host"},
        {"redis+sentinel://s1/main/x", "the database should be a number"},
        {"redis+sentinel://s1/main?sentinel_password=SECRET%", "two hexadecimal digits"},
        {"redis+sentinel://s1/main?database=1", "after '?' there may only be"},
        {"redis+cluster://", "a server should be given as host"},
        {"redis+cluster://n1,,n2", "a server should be given as host"},
        {"redis+cluster://n1/1", "only database 0"},
    };
    for (const auto& [text, why] : wrong) {
        SCOPED_TRACE(text);
        const auto url = parse_redis_url(text);
        ASSERT_FALSE(url.ok());
        EXPECT_EQ(url.error().code, ErrorCode::invalid);
        EXPECT_THAT(url.error().message, HasSubstr(why));
        EXPECT_THAT(url.error().message, Not(HasSubstr("SEC")));
    }
}

TEST(RedisUrl, OfAllFieldsOnlyThePasswordsAreNotTold) {
    const auto url =
        parse_redis_url("redis+sentinel://app:SECRET@s1:1/main/2?sentinel_password=SECRET");
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url.value().text(), "redis+sentinel://app@s1:1/main/2");
}

}  // namespace
}  // namespace ringmaster::redis
