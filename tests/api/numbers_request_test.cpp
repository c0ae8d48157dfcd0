#include "ringmaster/api/numbers_request.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "api/fixture.hpp"
#include "fuzz/seed.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

constexpr std::string_view kAutos = R"("pool":"autos","key":"A329F4DC")";

std::string row(std::string_view more) {
    return std::string("{").append(kAutos).append(more.empty() ? "" : ",").append(more).append("}");
}
std::string batch(std::string_view rows) {
    return std::string(R"({"requests":[)").append(rows).append("]}");
}

class NumbersReaderTest : public ::testing::Test {
  protected:
    /// The whole's error as "Class: message", or else each row: its request_id in angle brackets
    /// where it has one, and its error or what the store is to be asked.
    std::vector<std::string> read(std::string_view body) {
        fuzz::keep_seed("bulk", body);
        bytes_.assign(body);
        bytes_.append(http::Request::kBodyPadding, ',');
        request_.clear(1 << 20);
        const auto refused =
            reader_.read_body(std::string_view(bytes_).substr(0, body.size()), request_);
        if (refused) return {describe(*refused)};
        return rows();
    }
    std::vector<std::string> read_query(std::string_view query) {
        fuzz::keep_seed("query", query);
        bytes_.assign(query);
        request_.clear(1 << 20);
        reader_.read_query(bytes_, request_);
        return rows();
    }
    std::string read_one(std::string_view body) {
        const auto all = read(body);
        return all.size() == 1 ? all.front() : std::to_string(all.size()) + " rows";
    }
    std::string read_row(std::string_view row) { return read_one(batch(row)); }

    static std::string describe(const ApiError& error) {
        return std::string(to_string(error.error_class)).append(": ").append(error.message);
    }
    std::vector<std::string> rows() const {
        std::vector<std::string> texts;
        std::size_t next = 0;
        for (const NumbersRequest::Row& row : request_.rows()) {
            std::string& text = texts.emplace_back();
            if (row.request_id) text.append("<").append(*row.request_id).append("> ");
            if (row.error) {
                text += describe(*row.error);
            } else {
                const auto& allocation = request_.allocations()[next++];
                text += FakeStore::describe(allocation.pool, allocation.session);
            }
        }
        EXPECT_EQ(next, request_.allocations().size());
        return texts;
    }

    static ApiLimits limits() {
        ApiLimits limits;
        limits.max_batch = 3;
        limits.max_session_bytes = 8;
        limits.max_request_id_bytes = 6;
        limits.context = {.max_parameters = 3, .max_name_bytes = 5, .max_value_bytes = 10};
        return limits;
    }

    ringpool::Catalog catalog_ = make_catalog();
    NumbersReader reader_{catalog_, limits()};
    NumbersRequest request_;
    std::string bytes_;
};

using Texts = std::vector<std::string>;

TEST_F(NumbersReaderTest, ReadsRowsInOrder) {
    EXPECT_EQ(read(R"({"requests": [
                     {"pool": "autos", "key": "A329F4DC", "session": "v-81",
                      "request_id": "193C5F", "context": {"utm": "google", "gclid": "Cj0K"}},
                     {"pool": "boats", "key": "77AA01", "context": {"m1": "antiques"}},
                     {"key": "77AA01", "pool": "boats"}]})"),
              (Texts{"<193C5F> 0 'v-81' gclid=Cj0K;utm=google;", "1 - m1=antiques;", "1 - "}));
}

TEST_F(NumbersReaderTest, AnEmptySessionOrRequestIdIsThere) {
    EXPECT_EQ(read_row(row(R"("session":"","request_id":"")")), "<> 0 '' ");
}

TEST_F(NumbersReaderTest, ContextsAreCanonicalHoweverTheyCome) {
    ASSERT_EQ(read(batch(row(R"("context":{"b":"2","a":"1"})") + "," +
                         row(R"("context":{"a":"\u0031","\u0062":2})")))
                  .size(),
              2u);
    EXPECT_EQ(request_.allocations()[0].session.context.bytes(),
              request_.allocations()[1].session.context.bytes());
}

TEST_F(NumbersReaderTest, TakesNumbersAndBooleansAsTheirText) {
    EXPECT_EQ(read_row(row(R"("context":{"a":1.50 ,"b":-1e+3,"c":true})")),
              "0 - a=1.50;b=-1e+3;c=true;");
    EXPECT_EQ(read_row(row(R"("context":{"a":false,"b":1234567890,"c":0})")),
              "0 - a=false;b=1234567890;c=0;");
}

TEST_F(NumbersReaderTest, RefusesOtherValuesInAContextByRow) {
    for (const std::string_view value : {"null", "[]", "{}", "[[1],{\"x\":2}]"}) {
        EXPECT_EQ(
            read_row(row(R"("request_id":"7","context":{"ab":)" + std::string(value) + "}")),
            "<7> InvalidInput: context parameter 'ab' must be a string, a number or a boolean")
            << value;
    }
}

TEST_F(NumbersReaderTest, DecodesEscapesEverywhere) {
    EXPECT_EQ(read_row(R"({"p\u006fol":"\u0061utos","key":"A329\u00464DC","session":"\"\\\u00e9",)"
                       R"("request_id":"\n","context":{"\t":"\ud83d\ude00"}})"),
              "<\n> 0 '\"\\\u00e9' \t=\U0001F600;");
}

TEST_F(NumbersReaderTest, IgnoresWhatItDoesNotKnow) {
    EXPECT_EQ(read(R"({"x":[{"requests":[1]},null],"requests":[{"y":{"pool":1},)" +
                   std::string(kAutos) + R"(,"z":-0.5}],"w":"\u00e9"})"),
              Texts{"0 - "});
}

TEST_F(NumbersReaderTest, AWrongKeyAndAnUnknownPoolLookTheSame) {
    EXPECT_EQ(read_row(R"({"pool":"autos","key":"A3","request_id":"r"})"),
              "<r> InvalidKey: API Key 'A3' is not valid for resource 'autos'");
    EXPECT_EQ(read_row(R"({"pool":"trains","key":"A3"})"),
              "InvalidKey: API Key 'A3' is not valid for resource 'trains'");
    EXPECT_EQ(read_row(R"({"pool":"boats","key":"A329F4DC"})"),
              "InvalidKey: API Key 'A329F4DC' is not valid for resource 'boats'");
    EXPECT_EQ(read_row(R"({"pool":"","key":""})"),
              "InvalidKey: API Key '' is not valid for resource ''");
}

TEST_F(NumbersReaderTest, TellsAStrangerOfNothingButTheKey) {
    EXPECT_EQ(read_row(R"({"pool":"autos","key":"A3","session":1,"context":{"a":null}})"),
              "InvalidKey: API Key 'A3' is not valid for resource 'autos'");
}

TEST_F(NumbersReaderTest, QuotesLongInputOnlyInPart) {
    const std::string text = read_row(R"({"pool":"autos","key":")" + std::string(63, 'k') +
                                      "\u00e9" + std::string(9000, 'k') + "\"}");
    EXPECT_EQ(text, "InvalidKey: API Key '" + std::string(63, 'k') +
                        "...' is not valid for resource 'autos'")
        << "cut between characters";
}

TEST_F(NumbersReaderTest, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(read_row("1"), "InvalidInput: a row must be an object");
    EXPECT_EQ(read_row("[{}]"), "InvalidInput: a row must be an object");
    EXPECT_EQ(read_row("{}"), "InvalidInput: 'pool' is missing");
    EXPECT_EQ(read_row(R"({"pool":"autos"})"), "InvalidInput: 'key' is missing");
    EXPECT_EQ(read_row(R"({"key":"A329F4DC"})"), "InvalidInput: 'pool' is missing");
    EXPECT_EQ(read_row(R"({"pool":1,"key":"A329F4DC"})"), "InvalidInput: 'pool' must be a string");
    EXPECT_EQ(read_row(R"({"pool":"autos","key":null})"), "InvalidInput: 'key' must be a string");
    EXPECT_EQ(read_row(row(R"("session":81)")), "InvalidInput: 'session' must be a string");
    EXPECT_EQ(read_row(row(R"("request_id":{})")), "InvalidInput: 'request_id' must be a string");
    EXPECT_EQ(read_row(row(R"("context":"a=1")")), "InvalidInput: 'context' must be an object");
    EXPECT_EQ(read_row(row(R"("context":null)")), "InvalidInput: 'context' must be an object");
}

TEST_F(NumbersReaderTest, RefusesWhatIsGivenTwice) {
    EXPECT_EQ(read_row(row(R"("pool":"autos")")), "InvalidInput: 'pool' is given twice");
    EXPECT_EQ(read_row(row(R"("key":"A329F4DC")")), "InvalidInput: 'key' is given twice");
    EXPECT_EQ(read_row(row(R"("session":"a","session":"a")")),
              "InvalidInput: 'session' is given twice");
    EXPECT_EQ(read_row(row(R"("request_id":"a","request_id":"b")")),
              "<b> InvalidInput: 'request_id' is given twice");
    EXPECT_EQ(read_row(row(R"("context":{},"context":{})")),
              "InvalidInput: 'context' is given twice");
    EXPECT_EQ(read_row(row(R"("context":{"a":"1","b":"2","\u0061":"1"})")),
              "InvalidInput: context parameter 'a' is given twice");
    EXPECT_EQ(read_one(R"({"requests":[],"requests":[]})"),
              "InvalidInput: 'requests' is given twice");
}

TEST_F(NumbersReaderTest, KeepsToTheLimitsExactly) {
    EXPECT_EQ(read_row(row(R"("session":"12345678","request_id":"123456")")),
              "<123456> 0 '12345678' ");
    EXPECT_EQ(read_row(row(R"("session":"123456789","request_id":"1")")),
              "<1> InvalidInput: 'session' is longer than 8 bytes");
    EXPECT_EQ(read_row(row(R"("request_id":"1234567")")),
              "InvalidInput: 'request_id' is longer than 6 bytes");

    EXPECT_EQ(read_row(row(R"("context":{"12345":"1234567890","b":"","c":""})")),
              "0 - 12345=1234567890;b=;c=;");
    EXPECT_EQ(read_row(row(R"("context":{"123456":"1"})")),
              "InvalidInput: the name of context parameter '123456' is longer than 5 bytes");
    EXPECT_EQ(read_row(row(R"("context":{"a":"12345678901"})")),
              "InvalidInput: the value of context parameter 'a' is longer than 10 bytes");
    EXPECT_EQ(read_row(row(R"("context":{"a":12345678901})")),
              "InvalidInput: the value of context parameter 'a' is longer than 10 bytes");
    EXPECT_EQ(read_row(row(R"("context":{"":"1"})")),
              "InvalidInput: a context parameter has an empty name");
    EXPECT_EQ(read_row(row(R"("context":{"a":"","b":"","c":"","d":""})")),
              "InvalidInput: context parameter 'd' is one too many: at most 3 are allowed");
}

TEST_F(NumbersReaderTest, KeepsToTheBatchLimitExactly) {
    EXPECT_EQ(read(batch("{},{},{}")).size(), 3u);
    EXPECT_EQ(read_one(batch("{},{},{},{}")), "InvalidInput: 'requests' has more than 3 rows");
    EXPECT_EQ(read_one(batch("")), "InvalidInput: 'requests' must have at least one row");
}

TEST_F(NumbersReaderTest, ABadRowLeavesTheOthersAlone) {
    EXPECT_EQ(read(batch(row(R"("context":{"a":"1"})") + R"(,{"pool":"autos","key":"no"},)" +
                         row(R"("session":"s")"))),
              (Texts{"0 - a=1;", "InvalidKey: API Key 'no' is not valid for resource 'autos'",
                     "0 's' "}));
}

TEST_F(NumbersReaderTest, RefusesABodyOfAnotherForm) {
    EXPECT_EQ(read_one("[]"), "InvalidInput: the body must be an object");
    EXPECT_EQ(read_one("null"), "InvalidInput: the body must be an object");
    EXPECT_EQ(read_one("{}"), "InvalidInput: 'requests' is missing");
    EXPECT_EQ(read_one(R"({"request":[{}]})"), "InvalidInput: 'requests' is missing");
    EXPECT_EQ(read_one(R"({"requests":{}})"), "InvalidInput: 'requests' must be an array");
    EXPECT_EQ(read_one(R"({"requests":"[]"})"), "InvalidInput: 'requests' must be an array");
}

TEST_F(NumbersReaderTest, TellsWhereTheJsonEnds) {
    const auto fault = [](std::string_view expected, std::size_t at) {
        return "MalformedJson: the body is not JSON: expected " + std::string(expected) +
               " at byte " + std::to_string(at);
    };
    EXPECT_EQ(read_one(""), fault("a value", 0));
    EXPECT_EQ(read_one("pool=autos"), fault("a value", 0));
    EXPECT_EQ(read_one(R"({"requests":[{}])"), fault("',' or '}'", 16));
    EXPECT_EQ(read_one(R"({"requests":[{}]}x)"), fault("the end of the text", 17));
    EXPECT_EQ(read_one(R"({"requests":[{}]} {})"), fault("the end of the text", 18));
    EXPECT_EQ(read_one(R"({"requests":[{"a":"b"c}]})"), fault("',' or '}'", 21));
    EXPECT_EQ(read_one("{\"requests\":[{\"a\":\"\xff\"}]}"), fault("UTF-8", 19));
    EXPECT_EQ(read_one(R"({"requests":[{"x":[01]}]})"), fault("',' or ']'", 20));
    EXPECT_EQ(read_one(R"({"requests":[{"session":"\ud800"}]})"), fault("an escape sequence", 25));
    EXPECT_EQ(read_one(R"({"requests":[{"x":)" + std::string(100'000, '[')),
              fault("no deeper nesting", 18 + 29));
}

TEST_F(NumbersReaderTest, NotBeingJsonGoesBeforeEverythingElse) {
    EXPECT_EQ(read_one(R"({"requests":5,)"),
              "MalformedJson: the body is not JSON: expected a name in quotes at byte 14");
    EXPECT_EQ(read_one(batch("{},{},{},{},")),
              "MalformedJson: the body is not JSON: expected a value at byte 25");
}

TEST_F(NumbersReaderTest, ContextsOfALargeBatchStayWhereTheyAre) {
    ApiLimits limits;
    NumbersReader reader(catalog_, limits);
    std::string rows;
    for (int i = 0; i < 1000; ++i) {
        if (i > 0) rows += ',';
        rows += row(R"("session":"\u0073)" + std::to_string(i) + R"(","context":{"n":)" +
                    std::to_string(i) + R"(,"e":"\n"})");
    }
    std::string body = batch(rows);
    const std::size_t size = body.size();
    body.append(http::Request::kBodyPadding, ' ');
    ASSERT_FALSE(reader.read_body(std::string_view(body).substr(0, size), request_));
    ASSERT_EQ(request_.allocations().size(), 1000u);
    for (std::size_t i = 0; i < 1000; ++i) {
        const auto& session = request_.allocations()[i].session;
        ASSERT_EQ(FakeStore::describe(0, session),
                  "0 's" + std::to_string(i) + "' e=\n;n=" + std::to_string(i) + ";");
    }
}

TEST_F(NumbersReaderTest, AQueryIsOneRow) {
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&session=v-81&utm=google&gcl=Cj0K"),
              Texts{"0 'v-81' gcl=Cj0K;utm=google;"});
    EXPECT_EQ(read_query("utm=a+b%2B%c3%a9&key=A329F4DC&%70ool=autos"),
              Texts{"0 - utm=a b+\u00e9;"});
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&a&b="), Texts{"0 - a=;b=;"});
}

TEST_F(NumbersReaderTest, EveryOtherParameterOfAQueryIsContext) {
    EXPECT_EQ(
        read_query("pool=autos&key=A329F4DC&request_id=1&context=2"),
        Texts{"InvalidInput: the name of context parameter 'request_id' is longer than 5 bytes"});
}

TEST_F(NumbersReaderTest, RefusesABadQuery) {
    EXPECT_EQ(read_query(""), Texts{"InvalidInput: 'pool' is missing"});
    EXPECT_EQ(read_query("pool=autos"), Texts{"InvalidInput: 'key' is missing"});
    EXPECT_EQ(read_query("pool=autos&key=A3"),
              Texts{"InvalidKey: API Key 'A3' is not valid for resource 'autos'"});
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&session=1&session=2"),
              Texts{"InvalidInput: 'session' is given twice"});
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&a=1&%61=2"),
              Texts{"InvalidInput: context parameter 'a' is given twice"});
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&session=123456789"),
              Texts{"InvalidInput: 'session' is longer than 8 bytes"});
    EXPECT_EQ(read_query("pool=autos&key=A329F4DC&a=%zz").front().substr(0, 35),
              "InvalidInput: the query is malforme");
}

TEST_F(NumbersReaderTest, AQueryOfManyShortNamesFits) {
    ApiLimits limits;
    limits.context.max_parameters = ringpool::ContextBuilder::kCapacity;
    NumbersReader reader(catalog_, limits);
    std::string query = "pool=autos&key=A329F4DC";
    for (char c = 'A'; c <= 'Z'; ++c) query.append("&").append(1, c);
    for (char c = 'a'; c <= 'z'; ++c) query.append("&").append(1, c);
    reader.read_query(query, request_);
    ASSERT_EQ(request_.allocations().size(), 1u);
    EXPECT_EQ(request_.allocations()[0].session.context.bytes().size(), 52 * 4u);
}

TEST_F(NumbersReaderTest, LimitsThatNoContextCanHaveAreRefusedAtTheStart) {
    ApiLimits limits;
    limits.context.max_parameters = ringpool::ContextBuilder::kCapacity + 1;
    EXPECT_THROW(NumbersReader(catalog_, limits), std::invalid_argument);
}

}  // namespace
}  // namespace ringmaster::api
