#pragma once

#include "ringmaster/http/request_parser.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Shared by the parser's tests and its fuzzer.
namespace ringmaster::http::testing {

/// All that can be seen of a request, in one line.
inline std::string describe(const Request& request) {
    std::string text =
        std::string(to_string(request.method())) + " target=" + std::string(request.target()) +
        " path=" + std::string(request.path()) + " query=" + std::string(request.query()) +
        " host=" + std::string(request.host()) + " 1." + std::to_string(request.minor_version()) +
        (request.keep_alive() ? " keep" : " close") +
        (request.expects_continue() ? " expects" : "");
    request.for_each_header([&](std::string_view name, std::string_view value) {
        text += " [" + std::string(name) + "|" + std::string(value) + "]";
    });
    return text + " body=" + std::string(request.body());
}

/// Feeds `bytes` as a server would, cut at the given ascending offsets, and tells one line for each
/// event: a request, "continue", an error ("400 ..."), and at the end how far the next request came
/// ("idle", "in head", "in body"). Each piece is a block of its own, so that reading past it shows.
inline std::vector<std::string> read_all(std::string_view bytes,
                                         const std::vector<std::size_t>& cuts,
                                         const RequestLimits& limits = {}) {
    std::vector<std::string> events;
    RequestParser parser(limits);
    Request request;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
        const auto block = std::make_unique<char[]>(end - begin);
        bytes.copy(block.get(), end - begin, begin);
        std::string_view piece(block.get(), end - begin);
        begin = end;
        while (!piece.empty()) {
            const auto [status, consumed] = parser.feed(piece, request);
            piece.remove_prefix(consumed);
            if (status == RequestParser::Status::failed) {
                events.push_back(std::to_string(parser.error().status) + " " +
                                 parser.error().message);
                return events;
            }
            if (status == RequestParser::Status::head_complete) events.push_back("continue");
            if (status == RequestParser::Status::complete) {
                events.push_back(describe(request));
                request.clear(0);
            }
        }
    }
    events.push_back(!parser.in_request() ? "idle" : parser.in_body() ? "in body" : "in head");
    return events;
}

}  // namespace ringmaster::http::testing
