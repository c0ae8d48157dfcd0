#include "ringmaster/app/admin_client.hpp"

#include "ringmaster/app/printable.hpp"

#include <charconv>
#include <cstdint>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <simdjson.h>

namespace ringmaster::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kConnectTimeLimit{10};

}  // namespace

Result<AdminAddress> parse_admin_url(std::string_view url) {
    const Error error{ErrorCode::invalid, "the URL is \"" + printable(url, 60) +
                                              "\"; expected e.g. \"http://127.0.0.1:8080\""};
    constexpr std::string_view kScheme = "http://";
    if (!url.starts_with(kScheme)) return error;
    url.remove_prefix(kScheme.size());
    if (url.ends_with('/')) url.remove_suffix(1);

    const std::size_t colon = url.rfind(':');
    if (colon == url.npos || colon == 0) return error;
    std::string_view host = url.substr(0, colon);
    const std::string_view port = url.substr(colon + 1);
    std::uint16_t number = 0;
    const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (fault != std::errc() || end != port.data() + port.size() || number == 0) return error;

    constexpr std::string_view kHostCharacters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (host.find_first_not_of("0123456789abcdefABCDEF:.%") != host.npos) return error;
    } else if (host.find_first_not_of(kHostCharacters) != host.npos) {
        return error;
    }
    if (host.empty()) return error;
    return AdminAddress{std::string(host), std::string(port), ""};
}

std::string to_string(const AdminAddress& address) {
    const bool is_ipv6 = address.host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + address.port;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    constexpr std::string_view kUnreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (const char c : text) {
        if (kUnreserved.find(c) != kUnreserved.npos) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
        }
    }
    return out;
}

/// Beast's time limits hold for asynchronous calls only, so each step is one, and waited for.
class AdminClient::Connection {
  public:
    error_code open(const AdminAddress& address) {
        error_code error;
        const auto found = tcp::resolver(context_).resolve(address.host, address.port, error);
        if (error) return error;
        return step(kConnectTimeLimit,
                    [&](auto done) { stream_.async_connect(found, std::move(done)); });
    }

    /// Whether the other side has closed it meanwhile, or said what nobody asked for.
    bool is_stale() {
        error_code error;
        char byte = 0;
        stream_.socket().non_blocking(true, error);
        stream_.socket().receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
        return error != asio::error::would_block;
    }

    error_code exchange(const beast::http::request<beast::http::string_body>& request,
                        std::chrono::seconds time_limit, AdminAnswer& answer, bool& keep) {
        if (const error_code error = step(time_limit, [&](auto done) {
                beast::http::async_write(stream_, request, std::move(done));
            })) {
            return error;
        }
        beast::http::response_parser<beast::http::string_body> parser;
        parser.body_limit(kMaxAnswerBytes);
        if (const error_code error = step(time_limit, [&](auto done) {
                beast::http::async_read(stream_, buffer_, parser, std::move(done));
            })) {
            return error;
        }
        answer.status = parser.get().result_int();
        answer.body = std::move(parser.get().body());
        keep = parser.keep_alive();
        return {};
    }

  private:
    template <class Begin>
    error_code step(std::chrono::seconds time_limit, Begin begin) {
        error_code result;
        stream_.expires_after(time_limit);
        begin([&result](const error_code& error, auto&&...) { result = error; });
        context_.restart();
        context_.run();
        return result;
    }

    asio::io_context context_{1};
    beast::tcp_stream stream_{context_};
    beast::flat_buffer buffer_;
};

AdminClient::AdminClient(AdminAddress address) : address_(std::move(address)) {}
AdminClient::~AdminClient() = default;

Result<AdminAnswer> AdminClient::ask(const AdminRequest& asked) {
    namespace http = beast::http;
    const std::string where = to_string(address_);
    const auto failure = [&](const std::string& what, const error_code& error) {
        connection_.reset();
        const bool late = error == beast::error::timeout;
        return Error{
            late ? ErrorCode::timeout : ErrorCode::unavailable,
            what + " " + where + ": " + (late ? "there is no answer in time" : error.message())};
    };

    http::request<http::string_body> request;
    request.method_string(asked.method);
    request.target(asked.target);
    request.set(http::field::host, where);
    request.set(http::field::user_agent, "ringmaster/" RINGMASTER_VERSION);
    if (!address_.token.empty()) {
        request.set(http::field::authorization, "Bearer " + address_.token);
    }
    if (!asked.content_type.empty()) {
        request.set(http::field::content_type, asked.content_type);
        request.body() = asked.body;
    }
    request.prepare_payload();

    // The daemon closes a connection that has been idle for long.
    if (connection_ && connection_->is_stale()) connection_.reset();
    if (!connection_) {
        connection_ = std::make_unique<Connection>();
        if (const error_code error = connection_->open(address_)) {
            return failure("no daemon can be reached at", error);
        }
    }
    AdminAnswer answer;
    bool keep = false;
    if (const error_code error = connection_->exchange(request, asked.time_limit, answer, keep)) {
        return failure("the daemon does not answer at", error);
    }
    if (!keep) connection_.reset();
    return answer;
}

Error error_of(const AdminAnswer& answer) {
    simdjson::dom::parser parser;
    std::string_view said;
    const bool is_said = parser.parse(answer.body)["message"].get(said) == simdjson::SUCCESS;
    const std::string why =
        is_said && !said.empty() ? printable(said) : "status " + std::to_string(answer.status);
    switch (answer.status) {
        case 401:
            return {ErrorCode::invalid,
                    "the daemon wants the admin token; expected it in [admin] of the "
                    "configuration, in RINGMASTER_TOKEN or in --token-file"};
        case 404: return {ErrorCode::not_found, why};
        case 408:
        case 503: return {ErrorCode::unavailable, why};
        default: return {ErrorCode::invalid, why};
    }
}

}  // namespace ringmaster::app
