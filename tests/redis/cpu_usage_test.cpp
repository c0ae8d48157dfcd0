#include "ringmaster/redis/cpu_usage.hpp"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using namespace std::chrono_literals;

Reply reply(Reply::Type type, std::string text) {
    Reply reply;
    reply.type = type;
    reply.text = std::move(text);
    return reply;
}
Reply text(std::string info) {
    return reply(Reply::Type::string, std::move(info));
}

constexpr const char* kServer = "# Server\r\nredis_version:7.0.15\r\nrun_id:c0ffee\r\n";
constexpr const char* kProcess = "# CPU\r\nused_cpu_sys:2.5\r\nused_cpu_user:10.000001\r\n";
constexpr const char* kThread =
    "used_cpu_sys_main_thread:1.25\r\nused_cpu_user_main_thread:4.000002\r\n";

TEST(CpuUsage, IsThatOfTheMainThread) {
    const auto usage = parse_cpu_usage(text(std::string(kServer) + kProcess + kThread));
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_EQ(usage->run_id, "c0ffee");
    EXPECT_EQ(usage->main_thread, 5'250'002us);
}

TEST(CpuUsage, IsThatOfTheProcessWhereThreadsAreNotTold) {
    const auto usage = parse_cpu_usage(text(std::string(kServer) + kProcess));
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_EQ(usage->main_thread, 12'500'001us);
}

TEST(CpuUsage, WhatTellsNoneIsRefused) {
    EXPECT_EQ(parse_cpu_usage(text(kServer)).error().message, "INFO tells no used_cpu");
    EXPECT_EQ(parse_cpu_usage(text(kProcess)).error().message, "INFO tells no run_id");
    EXPECT_FALSE(parse_cpu_usage(text("")));
    EXPECT_FALSE(parse_cpu_usage(Reply()));
    EXPECT_FALSE(parse_cpu_usage(reply(Reply::Type::error, "ERR syntax error")));
    for (const char* const seconds :
         {"", "x", "-1", "1e3", "nan", "inf", "1 ", "1e99", "1000000001"}) {
        const std::string info =
            std::string(kServer) + "used_cpu_sys:1\r\nused_cpu_user:" + seconds;
        EXPECT_FALSE(parse_cpu_usage(text(info))) << seconds;
    }
}

}  // namespace
}  // namespace ringmaster::redis
