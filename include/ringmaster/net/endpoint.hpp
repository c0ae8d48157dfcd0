#pragma once

#include "ringmaster/base/result.hpp"

#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>

namespace ringmaster::net {

/// TCP over IPv4 or IPv6, or a Unix socket: code above need not know which.
using Protocol = boost::asio::generic::stream_protocol;
using Endpoint = Protocol::endpoint;

/// Reads "127.0.0.1:8080", "[::1]:8080" or "unix:/path". Numbers only: names would have to be
/// looked up. ErrorCode::invalid says what is expected.
Result<Endpoint> parse_endpoint(std::string_view text);

/// The form that parse_endpoint() reads.
std::string to_string(const Endpoint& endpoint);

}  // namespace ringmaster::net
