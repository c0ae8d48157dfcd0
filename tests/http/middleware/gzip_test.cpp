#include "ringmaster/http/middleware/gzip.hpp"

#include "ringmaster/http/middleware/etag.hpp"

#include <random>
#include <stdexcept>
#include <string>
#include <zlib.h>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

constexpr std::string_view kWanted = "Accept-Encoding: gzip\r\n";

std::string text_of(std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += "line " + std::to_string(text.size()) + "\n";
    text.resize(bytes);
    return text;
}

/// Throws where it is not one whole gzip member.
std::string unzipped(std::string_view content) {
    z_stream stream{};
    if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK) throw std::bad_alloc();
    std::string out(4 * 1024 * 1024, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream, Z_FINISH);
    const bool whole = result == Z_STREAM_END && stream.avail_in == 0;
    out.resize(stream.total_out);
    inflateEnd(&stream);
    if (!whole) throw std::runtime_error("not gzip");
    return out;
}

Response get(const RequestHandler& handler, std::string_view fields = kWanted) {
    return answer(layered({gzip()}, handler), make_request("GET", "/", fields));
}

RequestHandler giving(std::string body, std::string_view type = "application/json") {
    return [body = std::move(body), type](Request&, Response& response) {
        response.body = body;
        response.content_type = type;
    };
}

bool is_encoded(const Response& response) {
    return response.header("Content-Encoding") == "gzip";
}

TEST(Gzip, EncodesWhatIsWorthIt) {
    const Response response = get(giving(text_of(5000)));
    EXPECT_EQ(response.extra_headers(), "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n");
    EXPECT_LT(response.body.size(), 2500u);
    EXPECT_EQ(unzipped(response.body), text_of(5000));
}

TEST(Gzip, EncodesOneAfterTheOther) {
    const Middleware layer = gzip();
    for (const std::size_t bytes : {100'000u, 1024u, 1'048'576u, 2000u}) {
        const Response response =
            answer(layer(giving(text_of(bytes))), make_request("GET", "/", kWanted));
        EXPECT_EQ(unzipped(response.body), text_of(bytes));
    }
}

TEST(Gzip, GoesByWhatTheClientWants) {
    for (const char* wish :
         {"gzip", "GZIP", "x-gzip", "gzip;q=0.001", "gzip, deflate, br",
          "br;q=1.0, gzip;q=0.8, *;q=0.1", "*", "*;q=0.5", "identity;q=0.5, gzip",
          "identity;q=0.5, gzip;q=0.5", "deflate,gzip", "identity;q=0, *"}) {
        EXPECT_TRUE(is_encoded(
            get(giving(text_of(5000)), "Accept-Encoding: " + std::string(wish) + "\r\n")))
            << wish;
    }
    for (const char* wish :
         {"", "gzip;q=0", "gzip;q=0.000, *", "br", "deflate", "identity", "identity, gzip;q=0.5",
          "*;q=0.5, gzip;q=0.4", "*;q=0", "gzipped", "gzip;q=0, identity"}) {
        const Response response =
            get(giving(text_of(5000)), "Accept-Encoding: " + std::string(wish) + "\r\n");
        EXPECT_EQ(response.extra_headers(), "Vary: Accept-Encoding\r\n") << wish;
        EXPECT_EQ(response.body, text_of(5000)) << wish;
    }
    EXPECT_FALSE(is_encoded(get(giving(text_of(5000)), "")));
    EXPECT_TRUE(
        is_encoded(get(giving(text_of(5000)), "Accept-Encoding: br\r\naccept-encoding: gzip\r\n")));
}

TEST(Gzip, EncodesTypesThatBecomeSmaller) {
    for (const char* type : {"text/plain", "text/csv; charset=utf-8", "application/json",
                             "application/json ; x=y", "application/problem+json", "image/svg+xml",
                             "application/xml", "application/javascript"}) {
        EXPECT_TRUE(is_encoded(get(giving(text_of(5000), type)))) << type;
    }
    for (const char* type : {"", "image/png", "application/gzip", "application/octet-stream",
                             "application/jsonx", "video/text"}) {
        EXPECT_EQ(get(giving(text_of(5000), type)).extra_headers(), "") << type;
    }
}

TEST(Gzip, EncodesWithinItsBounds) {
    const auto with = [](std::size_t bytes) {
        const RequestHandler handler =
            layered({gzip({.min_bytes = 100, .max_bytes = 200})}, giving(std::string(bytes, 'x')));
        return answer(handler, make_request("GET", "/", kWanted));
    };
    EXPECT_EQ(with(99).extra_headers(), "");
    EXPECT_TRUE(is_encoded(with(100)));
    EXPECT_TRUE(is_encoded(with(200)));
    EXPECT_EQ(with(201).extra_headers(), "");
}

TEST(Gzip, LeavesWhatDoesNotBecomeSmaller) {
    std::mt19937 random(1);
    std::string noise(5000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    const Response response = get(giving(noise, "text/plain"));
    EXPECT_EQ(response.extra_headers(), "Vary: Accept-Encoding\r\n");
    EXPECT_EQ(response.body, noise);
}

TEST(Gzip, LeavesWhatIsEncodedOrAPart) {
    const Response encoded = get([](Request&, Response& response) {
        response.add_header("Content-Encoding", "br");
        response.body = text_of(5000);
    });
    EXPECT_EQ(encoded.extra_headers(), "Content-Encoding: br\r\n");
    const Response part = get([](Request&, Response& response) {
        response.status = 206;
        response.body = text_of(5000);
    });
    EXPECT_EQ(part.extra_headers(), "");
}

TEST(Gzip, LeavesStreams) {
    PartsWriter client;
    Request request = make_request("GET", "/", kWanted);
    Response response;
    response.attach(client);
    layered({gzip()}, [](Request&, Response& r) {
        r.body = text_of(5000);
        r.write("part");
    })(request, response);
    EXPECT_EQ(response.extra_headers(), "");
}

TEST(Gzip, MakesStrongTagsWeak) {
    const auto tag_of = [](std::string_view tag) {
        const Response response = get([tag](Request&, Response& r) {
            r.add_header("ETag", tag);
            r.body = text_of(5000);
        });
        EXPECT_TRUE(is_encoded(response));
        return std::string(response.header("ETag").value_or("none"));
    };
    EXPECT_EQ(tag_of("\"a\""), "W/\"a\"");
    EXPECT_EQ(tag_of("W/\"a\""), "W/\"a\"");
}

TEST(Gzip, GivesTheSameTagWhereNothingHasChanged) {
    const RequestHandler handler = layered({gzip(), etag()}, giving(text_of(5000)));
    const Response first = answer(handler, make_request("GET", "/", kWanted));
    ASSERT_TRUE(is_encoded(first));
    const std::string tag(first.header("ETag").value());
    ASSERT_TRUE(tag.starts_with("W/"));
    const std::string condition = "If-None-Match: " + tag + "\r\n";
    const Response again =
        answer(handler, make_request("GET", "/", std::string(kWanted) + condition));
    EXPECT_EQ(again.status, 304);
    EXPECT_EQ(again.header("ETag"), tag);
    EXPECT_EQ(again.header("Vary"), "Accept-Encoding");
    // Who takes it as it is has the strong one.
    const Response plain = answer(handler, make_request("GET", "/", condition));
    EXPECT_EQ(plain.status, 304);
    EXPECT_EQ("W/" + std::string(plain.header("ETag").value()), tag);
}

TEST(Gzip, RefusesOptionsThatMakeNoSense) {
    EXPECT_THROW(gzip({.level = 0}), std::invalid_argument);
    EXPECT_THROW(gzip({.level = 10}), std::invalid_argument);
    EXPECT_THROW(gzip({.min_bytes = 0}), std::invalid_argument);
    EXPECT_THROW(gzip({.max_bytes = GzipOptions::kMostBytes + 1}), std::invalid_argument);
    EXPECT_NO_THROW(gzip({.min_bytes = 1, .max_bytes = GzipOptions::kMostBytes, .level = 9}));
}

}  // namespace
}  // namespace ringmaster::http
