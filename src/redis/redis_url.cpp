#include "ringmaster/redis/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace ringmaster::redis {
namespace {

constexpr std::uint16_t kServerPort = 6379;
constexpr std::uint16_t kSentinelPort = 26379;
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un

// Nothing of the URL is repeated, because with something missing any part may be the password.
Error invalid(std::string what) {
    return {ErrorCode::invalid, std::move(what)};
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        unsigned char byte = 0;
        const char* const end = text.data() + i + 3;
        const auto [stop, error] = std::from_chars(text.data() + i + 1, end, byte, 16);
        if (error != std::errc() || stop != end) return std::nullopt;
        decoded += static_cast<char>(byte);
        i += 2;
    }
    return decoded;
}

template <class Number>
std::optional<Number> read_number(std::string_view text, Number most) {
    Number number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number > most) return std::nullopt;
    return number;
}

/// Takes what stands before the first `mark`, and the mark; all, where there is none.
std::string_view take_until(std::string_view& text, char mark) {
    const std::size_t at = text.find(mark);
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(at == text.npos ? text.size() : at + 1);
    return part;
}

bool is_host(std::string_view host) noexcept {
    return !host.empty() && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    });
}

bool is_ipv6(std::string_view host) noexcept {
    return host.find(':') != host.npos && std::ranges::all_of(host, [](char c) {
               return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') ||
                      c == '.' || c == ':';
           });
}

Result<ServerAddress> parse_address(std::string_view text, std::uint16_t port) {
    const auto wrong = [] {
        return invalid(
            "a server should be given as host, host:port or [IPv6 address]:port, several with "
            "commas in between");
    };
    std::string_view rest = text;
    ServerAddress address{.host = {}, .port = port, .path = {}};
    if (rest.starts_with('[')) {
        rest.remove_prefix(1);
        if (rest.find(']') == rest.npos) return wrong();
        address.host = take_until(rest, ']');
        if (!is_ipv6(address.host)) return wrong();
        if (rest.empty()) return address;
        if (!rest.starts_with(':')) return wrong();
        rest.remove_prefix(1);
    } else {
        const bool has_port = rest.find(':') != rest.npos;
        address.host = take_until(rest, ':');
        if (!is_host(address.host)) return wrong();
        if (!has_port) return address;
    }
    const auto number = read_number<std::uint16_t>(rest, 65535);
    if (!number || *number == 0) return wrong();
    address.port = *number;
    return address;
}

Result<void> read_user(RedisUrl& url, std::string_view text) {
    if (text.find(':') == text.npos) {
        return invalid("what stands before '@' should be user:password or :password");
    }
    auto user = percent_decode(take_until(text, ':'));
    auto password = percent_decode(text);
    if (!user || !password) {
        return invalid("in user and password, '%' should be followed by two hexadecimal digits");
    }
    if (password->empty()) return invalid("before '@' the password is missing");
    url.user = *std::move(user);
    url.password = *std::move(password);
    return {};
}

Result<void> read_servers(RedisUrl& url, std::string_view text) {
    if (url.kind == RedisUrl::Kind::single && text.find(',') != text.npos) {
        return invalid(
            "redis:// takes one server; for several there are redis+sentinel:// and "
            "redis+cluster://");
    }
    const auto port = url.kind == RedisUrl::Kind::sentinel ? kSentinelPort : kServerPort;
    while (true) {
        const bool is_last = text.find(',') == text.npos;
        auto address = parse_address(take_until(text, ','), port);
        if (!address) return address.error();
        url.servers.push_back(*std::move(address));
        if (is_last) return {};
    }
}

Result<void> read_database(RedisUrl& url, std::string_view text) {
    const auto database = read_number<unsigned>(text, 0x7fffffff);
    if (!database) return invalid("the database should be a number, e.g. 0");
    if (*database != 0 && url.kind == RedisUrl::Kind::cluster) {
        return invalid("a Redis Cluster has only database 0");
    }
    url.database = *database;
    return {};
}

Result<void> read_query(RedisUrl& url, std::string_view query, bool is_unix) {
    while (!query.empty()) {
        std::string_view value = take_until(query, '&');
        const std::string_view name = take_until(value, '=');
        if (is_unix && name == "database") {
            if (auto read = read_database(url, value); !read) return read;
        } else if (url.kind == RedisUrl::Kind::sentinel && name == "sentinel_password") {
            auto password = percent_decode(value);
            if (!password) {
                return invalid(
                    "in sentinel_password, '%' should be followed by two hexadecimal digits");
            }
            url.sentinel_password = *std::move(password);
        } else {
            return invalid(
                "after '?' there may only be database=N (redis+unix://) or "
                "sentinel_password=... (redis+sentinel://)");
        }
    }
    return {};
}

Result<void> read_unix(RedisUrl& url, std::string_view path) {
    auto decoded = percent_decode(path);
    if (!decoded || decoded->find('\0') != decoded->npos || decoded->size() < 2) {
        return invalid(
            "redis+unix:// should be followed by the path of a socket, e.g. "
            "redis+unix:///run/redis.sock");
    }
    if (decoded->size() > kMaxSocketPath) {
        return invalid("the path of a Unix socket has at most " + std::to_string(kMaxSocketPath) +
                       " bytes");
    }
    url.servers.push_back({.host = {}, .port = 0, .path = *std::move(decoded)});
    return {};
}

Result<void> read_path(RedisUrl& url, std::string_view path) {
    if (url.kind == RedisUrl::Kind::sentinel) {
        auto name = percent_decode(take_until(path, '/'));
        if (!name || name->empty()) {
            return invalid(
                "redis+sentinel:// needs the name of the master: "
                "redis+sentinel://host:port,host:port/name");
        }
        url.master_name = *std::move(name);
    }
    return path.empty() ? Result<void>() : read_database(url, path);
}

}  // namespace

std::string ServerAddress::text() const {
    if (!path.empty()) return "unix:" + path;
    const bool bare = host.find(':') == host.npos;
    return (bare ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::string RedisUrl::text() const {
    const bool is_unix = !servers.empty() && !servers.front().path.empty();
    std::string text = kind == Kind::sentinel  ? "redis+sentinel://"
                       : kind == Kind::cluster ? "redis+cluster://"
                       : is_unix               ? "redis+unix://"
                                               : "redis://";
    if (!user.empty()) text += user + "@";
    if (is_unix) {
        text += servers.front().path;
        return database == 0 ? text : text + "?database=" + std::to_string(database);
    }
    for (std::size_t i = 0; i < servers.size(); ++i) {
        if (i > 0) text += ",";
        text += servers[i].text();
    }
    if (kind == Kind::sentinel) text += "/" + master_name;
    if (database != 0) text += "/" + std::to_string(database);
    return text;
}

Result<RedisUrl> parse_redis_url(std::string_view text) {
    RedisUrl url;
    const std::size_t colon = text.find("://");
    const std::string_view scheme = text.substr(0, colon);
    const bool is_unix = scheme == "redis+unix";
    if (scheme.starts_with("rediss") && colon != text.npos) {
        return invalid(
            "TLS to Redis is not spoken; put stunnel or another tunnel in front of it, or keep "
            "Redis within a private network, and give the tunnel's address as redis://");
    }
    if (scheme == "redis+sentinel") url.kind = RedisUrl::Kind::sentinel;
    if (scheme == "redis+cluster") url.kind = RedisUrl::Kind::cluster;
    if (colon == text.npos ||
        (scheme != "redis" && !is_unix && url.kind == RedisUrl::Kind::single)) {
        return invalid(
            "a URL of Redis should begin with redis://, redis+unix://, redis+sentinel:// or "
            "redis+cluster://");
    }
    std::string_view rest = text.substr(colon + 3);
    const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);
    if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
        if (auto read = read_user(url, authority.substr(0, at)); !read) return read.error();
        authority.remove_prefix(at + 1);
    } else if (!is_unix && rest.find('@') != rest.npos) {
        return invalid("in user and password, '/' and '?' should be written as %2F and %3F");
    }
    const std::string_view path = take_until(rest, '?');

    Result<void> read;
    if (is_unix) {
        read = authority.empty() ? read_unix(url, path)
                                 : invalid(
                                       "a path should follow redis+unix:// and user, e.g. "
                                       "redis+unix:///run/redis.sock");
    } else {
        read = read_servers(url, authority);
        if (read) read = read_path(url, path.substr(path.empty() ? 0 : 1));
    }
    if (read) read = read_query(url, rest, is_unix);
    if (!read) return read.error();
    return url;
}

}  // namespace ringmaster::redis
