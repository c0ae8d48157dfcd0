#pragma once

#include "ringmaster/http/content_stream.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/request_parser.hpp"

#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::http {

/// A request as it comes out of the parser, so that everything in it is where it really would be.
inline Request make_request(std::string_view method, std::string_view target,
                            std::string_view fields = "", std::string_view body = "") {
    std::string bytes = std::string(method) + " " + std::string(target) +
                        " HTTP/1.1\r\nHost: test\r\n" + std::string(fields);
    if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    bytes.append("\r\n").append(body);
    RequestParser parser({});
    Request request;
    if (parser.feed(bytes, request).status != RequestParser::Status::complete) {
        throw std::logic_error("not a request: " + parser.error().message);
    }
    return request;
}

/// What comes back for a request. For handlers that do not suspend.
inline Response answer(const RequestHandler& handler, Request request) {
    Response response;
    handler(request, response);
    return response;
}

/// Gives a request's content in the given parts.
class PartsReader final : public ContentReader {
  public:
    explicit PartsReader(std::deque<std::string> parts) : parts_(std::move(parts)) {}
    std::string_view read() override {
        if (parts_.empty()) return {};
        part_ = std::move(parts_.front());
        parts_.pop_front();
        return part_;
    }

  private:
    std::deque<std::string> parts_;
    std::string part_;
};

/// Keeps what an answer streams.
class PartsWriter final : public ContentWriter {
  public:
    void write(const Response& head, std::string_view part) override {
        if (parts.empty()) {
            status = head.status;
            fields = head.extra_headers();
        }
        parts.emplace_back(part);
    }

    int status = 0;  ///< as it was when the head left
    std::string fields;
    std::vector<std::string> parts;
};

}  // namespace ringmaster::http
