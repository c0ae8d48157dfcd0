#include "ringmaster/app/admin_commands.hpp"

#include <deque>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kPool =
    R"({"id":"autos","name":"Cars","key":"A329F4DC","lifetime_seconds":1800,"cooldown_seconds":0,)"
    R"("max_hold_seconds":0,"allow_overflow":true,"overflow_number":"+18005550199",)"
    R"("tracking_url":"","default_region":"US","figures":{"size":1200,"held":300,"cooling":0,)"
    R"("free":900,"draining":1,"utilisation":0.25,"allocations":5000,"new_holds":400,)"
    R"("releases":3,"overflows":{"exhausted":7,"store_unavailable":0},"early_reissues":2}})";

class AdminCommandsTest : public testing::Test {
  protected:
    /// The daemon's next answer.
    void answer(int status, std::string body) { answers_.push_back({status, std::move(body)}); }
    AdminCommands commands(bool json = false) {
        return AdminCommands(
            [this](const AdminRequest& request) -> Result<AdminAnswer> {
                asked_.push_back(request.method + " " + request.target +
                                 (request.body.empty() ? "" : " " + request.body));
                if (answers_.empty()) return Error{ErrorCode::unavailable, "no daemon"};
                AdminAnswer next = answers_.front();
                answers_.pop_front();
                return next;
            },
            console_, json);
    }
    ExitCode import(const ImportOptions& options, std::string_view text) {
        return commands().import_numbers(options, text);
    }

    std::ostringstream out_, err_;
    Console console_{out_, err_};
    std::deque<AdminAnswer> answers_;
    std::vector<std::string> asked_;
};

TEST_F(AdminCommandsTest, ListsPoolsInATable) {
    answer(200, "{\"pools\":[" + kPool + "]}");
    EXPECT_EQ(commands().list_pools(), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools"));
    EXPECT_EQ(out_.str(),
              "POOL   NAME  NUMBERS  HELD  COOLING  FREE  DRAINING  IN USE\n"
              "autos  Cars    1,200   300        0   900         1    25 %\n");
}

TEST_F(AdminCommandsTest, AdvisesOnAllPoolsInATable) {
    answer(200, R"({"pools":[{"pool":"autos","numbers":1200,"sizing":{"busiest":)"
                R"({"hour":"2026-11-21T17:00:00.000Z","arrivals_per_hour":2508.4,)"
                R"("offered_erlangs":1254.2,"blocking":0.0562341},"numbers_for":)"
                R"({"0.01":1284,"0.001":1331,"0.0001":1362},"utilisation":0.986,)"
                R"("growth":{"erlangs_per_day":-2.25,"hours_until_overflow":null}},)"
                R"("advice":"add 84 numbers"},)"
                R"({"pool":"boats","numbers":10,"sizing":null,"advice":"none yet"},)"
                R"({"pool":"homes","problem":"shard 1 does not answer in time"}]})");
    EXPECT_EQ(commands().advise(), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /advice"));
    EXPECT_EQ(out_.str(),
              "POOL   NUMBERS  BUSIEST HOUR             NEW/H  ERLANGS  BLOCKED  FOR 1 %  0.1 %  "
              "0.01 %  IN USE  GROWTH/DAY  ADVICE\n"
              "autos    1,200  2026-11-21 17:00:00 UTC   2508   1254.2   5.62 %    1,284  1,331  "
              " 1,362    99 %        -2.2  add 84 numbers\n"
              "boats       10                                                                   "
              "                             none yet\n"
              "homes                                                                            "
              "                             shard 1 does not answer in time\n");
}

TEST_F(AdminCommandsTest, GivesTheDaemonsJsonAsItIs) {
    answer(200, kPool);
    EXPECT_EQ(commands(true).show_pool("a b"), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/a%20b"));
    EXPECT_EQ(out_.str(), kPool + "\n");
}

TEST_F(AdminCommandsTest, ShowsAPoolWithoutItsKey) {
    answer(200, kPool);
    EXPECT_EQ(commands().show_pool("autos"), kDone);
    EXPECT_THAT(out_.str(), HasSubstr("\nlifetime              30 min\n"));
    EXPECT_THAT(out_.str(), HasSubstr("\noverflows, exhausted  7\n"));
    EXPECT_THAT(out_.str(), testing::Not(HasSubstr("A329F4DC")));
    EXPECT_THAT(out_.str(), testing::Not(HasSubstr("store_unavailable")));
}

TEST_F(AdminCommandsTest, TellsFailuresWithTheirOwnStatus) {
    answer(404, R"({"error_class":"NotFound","message":"there is no pool 'x'"})");
    EXPECT_EQ(commands().show_pool("x"), kNotFound);
    answer(403, R"({"error_class":"Forbidden","message":"the token is wrong"})");
    EXPECT_EQ(commands().show_pool("x"), kFailed);
    answer(401, "{}");
    EXPECT_EQ(commands().show_pool("x"), kFailed);
    answer(200, "<html>");
    EXPECT_EQ(commands().show_pool("x"), kFailed);
    EXPECT_EQ(commands().show_pool("x"), kFailed);
    EXPECT_EQ(err_.str(),
              "there is no pool 'x'\nthe token is wrong\n"
              "the daemon wants the admin token; expected it in [admin] of the configuration, in "
              "RINGMASTER_TOKEN or in --token-file\n"
              "the daemon's answer is not JSON\nno daemon\n");
    EXPECT_EQ(out_.str(), "");
}

TEST_F(AdminCommandsTest, ImportsInPortions) {
    answer(200, kPool);
    answer(200, R"({"added":["+12015550100","+12015550101"],"removed":[],"draining":[]})");
    answer(200, R"({"added":["+12015550102"],"removed":[],"draining":[]})");
    EXPECT_EQ(import({.pool = "autos", .file = "f", .portion_bytes = 40},
                     "number\n(201) 555-0100\n201-555-0101\n+12015550102\n"),
              kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/autos",
                                    "POST /pools/autos/numbers +12015550100\n+12015550101\n",
                                    "POST /pools/autos/numbers +12015550102\n"));
    EXPECT_EQ(out_.str(), "pool autos: 3 numbers added\n");
    EXPECT_EQ(err_.str(), "");
}

TEST_F(AdminCommandsTest, ChecksAllOfTheFileFirst) {
    answer(200, kPool);
    EXPECT_EQ(import({.pool = "autos", .file = "f"}, "+12015550100\nbad\n"), kFailed);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/autos"));
    EXPECT_EQ(err_.str(),
              "f:2: bad: not a phone number\npool autos: nothing is changed, because 1 of 2 lines "
              "are refused (--skip-invalid leaves them out)\n");
}

TEST_F(AdminCommandsTest, SkipsWhatIsRefusedHereAndThere) {
    answer(200, kPool);
    answer(400, R"({"error_class":"InvalidInput","message":"1 number is refused","refused":)"
                R"([{"text":"+12015550101","reason":"it is in pool 'boats'"}],"more":0})");
    answer(200, R"({"added":["+12015550100"],"removed":[],"draining":[]})");
    EXPECT_EQ(import({.pool = "autos", .file = "f", .skip_invalid = true},
                     "+12015550100\nbad\n\n2015550101\n"),
              kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/autos",
                                    "POST /pools/autos/numbers +12015550100\n+12015550101\n",
                                    "POST /pools/autos/numbers +12015550100\n"));
    EXPECT_EQ(err_.str(),
              "f:2: bad: not a phone number\nf:4: +12015550101: it is in pool 'boats'\n");
    EXPECT_EQ(out_.str(), "pool autos: 1 numbers added, 2 refused\n");
}

TEST_F(AdminCommandsTest, StopsAtTheFirstRefusedPortionAndTellsWhatWasApplied) {
    answer(200, kPool);
    answer(200, R"({"added":["+12015550100"],"removed":[],"draining":[]})");
    answer(400, R"({"error_class":"InvalidInput","message":"1 number is refused","refused":)"
                R"([{"text":"+12015550101","reason":"it is in pool 'boats'"}],"more":0})");
    EXPECT_EQ(import({.pool = "autos", .file = "f", .portion_bytes = 1},
                     "+12015550100\n+12015550101\n+12015550102\n"),
              kFailed);
    EXPECT_EQ(asked_.size(), 3u);
    EXPECT_EQ(out_.str(), "pool autos: 1 numbers added, 1 refused; then it failed\n");
    EXPECT_THAT(err_.str(), HasSubstr("f:2: +12015550101: it is in pool 'boats'\n"));
}

TEST_F(AdminCommandsTest, ReplacesAllOtherNumbers) {
    answer(200, kPool);
    answer(200, R"({"added":[],"removed":[],"draining":[]})");
    answer(200, R"({"numbers":[{"number":"+12015550100"},{"number":"+12015550101"}],"next":7})");
    answer(200, R"({"numbers":[{"number":"+12015550102","draining":true},)"
                R"({"number":"+12015550103"}]})");
    answer(200, R"({"added":[],"removed":["+12015550101"],"draining":["+12015550103"]})");
    EXPECT_EQ(import({.pool = "autos", .file = "f", .replace = true}, "+12015550100\n"), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/autos", "POST /pools/autos/numbers +12015550100\n",
                                    "GET /pools/autos/numbers", "GET /pools/autos/numbers?from=7",
                                    R"(PATCH /pools/autos/numbers {"remove":["+12015550101",)"
                                    R"("+12015550103"]})"));
    EXPECT_EQ(out_.str(), "pool autos: 0 numbers added, 1 removed, 1 draining\n");
}

TEST_F(AdminCommandsTest, NeverEmptiesAPool) {
    answer(200, kPool);
    EXPECT_EQ(import({.pool = "autos", .file = "f", .replace = true}, "# none\n"), kFailed);
    EXPECT_EQ(err_.str(), "f has no good number\n");
    EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(AdminCommandsTest, ExportsWhatDoesNotDrain) {
    const std::string page =
        R"({"numbers":[{"number":"+12015550100","formatted":"201-555-0100","state":"free"},)"
        R"({"number":"+12015550101","formatted":"x","state":"held","draining":true}]})";
    answer(200, page);
    EXPECT_EQ(commands().export_numbers("autos", false), kDone);
    answer(200, page);
    EXPECT_EQ(commands().export_numbers("autos", true), kDone);
    answer(200, page);
    EXPECT_EQ(commands(true).export_numbers("autos", false), kDone);
    EXPECT_EQ(out_.str(),
              "+12015550100\n"
              "number,formatted,state\n+12015550100,201-555-0100,free\n"
              R"({"numbers":[{"number":"+12015550100","formatted":"201-555-0100","state":"free"}]})"
              "\n");
}

TEST_F(AdminCommandsTest, TellsWhoHasANumber) {
    answer(200,
           R"({"number":"+12015550100","pool":"autos","session":"v-81","context":)"
           R"({"utm_source":"google","m":"1"},"allocated_at":"2026-11-21T17:01:05.000Z",)"
           R"("last_touch":"2026-11-21T17:02:05.000Z","expires_at":"2026-11-21T17:32:05.000Z",)"
           R"("free_at":"2026-11-21T17:32:05.000Z","state":"past",)"
           R"("ended_at":"2026-11-21T17:32:05.000Z","ended_seconds_ago":75})");
    EXPECT_EQ(commands().who("201-555-0100", "2026-11-21T17:33:20Z", std::nullopt), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /numbers/%2B12015550100?at=2026-11-21T17%3A33%3A20Z"));
    EXPECT_EQ(out_.str(),
              "number      +12015550100\n"
              "state       past, ended 1 min 15 s before\n"
              "pool        autos\n"
              "session     v-81\n"
              "from        2026-11-21 17:01:05 UTC\n"
              "last touch  2026-11-21 17:02:05 UTC\n"
              "until       2026-11-21 17:32:05 UTC\n"
              "free from   2026-11-21 17:32:05 UTC\n"
              "context     utm_source = google, m = 1\n");
}

TEST_F(AdminCommandsTest, TellsTheLastHolders) {
    answer(200, R"({"number":"+12015550100","holders":[{"pool":"autos","erased":true,)"
                R"("state":"held"},{"pool":"autos","context":{},"state":"past"}]})");
    EXPECT_EQ(commands().who("+12015550100", "", 2), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /numbers/%2B12015550100?history=2"));
    EXPECT_EQ(out_.str(),
              "STATE  POOL   SESSION        FROM  LAST TOUCH  UNTIL  CONTEXT\n"
              "held   autos  (erased)\n"
              "past   autos  (the context)\n");
}

TEST_F(AdminCommandsTest, DoesNotAskForWhatIsNoNumber) {
    EXPECT_EQ(commands().who("nobody", "", std::nullopt), kFailed);
    EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(AdminCommandsTest, ReleasesWithThePoolsKey) {
    answer(200, kPool);
    answer(204, "");
    EXPECT_EQ(commands().release("+12015550100", "autos", "v&1"), kDone);
    EXPECT_THAT(asked_, ElementsAre("GET /pools/autos",
                                    "DELETE /numbers/%2B12015550100?pool=autos&key=A329F4DC&"
                                    "session=v%261"));
    EXPECT_EQ(out_.str(), "+12015550100: released\n");
}

TEST_F(AdminCommandsTest, ErasesASession) {
    answer(200, R"({"erased":1234})");
    EXPECT_EQ(commands().erase("a/b"), kDone);
    EXPECT_THAT(asked_, ElementsAre("DELETE /sessions/a%2Fb"));
    EXPECT_EQ(out_.str(), "1,234 records erased\n");
}

TEST(AdminUrlTest, IsReadOrRefused) {
    EXPECT_EQ(to_string(*parse_admin_url("http://127.0.0.1:8080")), "127.0.0.1:8080");
    EXPECT_EQ(to_string(*parse_admin_url("http://[::1]:80/")), "[::1]:80");
    EXPECT_EQ(to_string(*parse_admin_url("http://localhost:8080/")), "localhost:8080");
    for (const char* bad :
         {"", "127.0.0.1:8080", "https://a:1", "http://a", "http://:1", "http://a:0",
          "http://a:65536", "http://a:1/x", "http://a b:1", "http://a:1x", "http://[]:1"}) {
        EXPECT_FALSE(parse_admin_url(bad)) << bad;
    }
}

}  // namespace
}  // namespace ringmaster::app
