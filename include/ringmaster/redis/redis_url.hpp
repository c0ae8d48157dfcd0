#pragma once

#include "ringmaster/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis {

/// Where a server listens, as the configuration or another server names it: "host:port", with
/// brackets around an IPv6 address, or "unix:/path". A host may be a name.
struct ServerAddress {
    std::string host;  ///< empty for a Unix socket
    std::uint16_t port = 6379;
    std::string path;  ///< of a Unix socket
    std::string text() const;
    friend bool operator==(const ServerAddress&, const ServerAddress&) noexcept = default;
};

/// Which Redis, and how to log in.
struct RedisUrl {
    enum class Kind : std::uint8_t { single, sentinel, cluster };
    Kind kind = Kind::single;
    std::vector<ServerAddress> servers;  ///< one; or sentinels; or some of the cluster's
    std::string user;                    ///< of an ACL; empty: the default user
    std::string password;                ///< empty: no AUTH. Never logged
    unsigned database = 0;               ///< 0 for a cluster
    std::string master_name;             ///< of sentinels
    std::string sentinel_password;       ///< of the sentinels themselves

    /// For people: without the password.
    std::string text() const;
};

/// Reads
///   redis://[user:password@]host[:port][/database]
///   redis+unix://[user:password@]/path[?database=N]
///   redis+sentinel://[user:password@]host[:port],host[:port].../master[/database][?sentinel_password=...]
///   redis+cluster://[user:password@]host[:port],host[:port]...
/// User and password are percent-decoded (RFC 3986, 2.1); ":password@" is the default user's.
/// ErrorCode::invalid says what is expected; for rediss://, that TLS is not spoken, and what to put
/// in front of Redis instead.
Result<RedisUrl> parse_redis_url(std::string_view text);

}  // namespace ringmaster::redis
