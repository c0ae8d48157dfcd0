#include "ringmaster/redis/cluster_replies.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace ringmaster::redis {
namespace {

/// "?" is what a server says whose own host name is not known.
constexpr std::string_view kUnknownHost = "?";

Error unexpected(const char* what) {
    return {ErrorCode::invalid, std::string("the reply to CLUSTER SLOTS has ") + what};
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
    Number number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) return std::nullopt;
    return number;
}

/// Nothing where the element says no address.
std::optional<ServerAddress> server_of(const Reply& element, const ServerAddress& asked) {
    const auto& parts = element.elements;
    if (element.type != Reply::Type::array || parts.size() < 2) return std::nullopt;
    const bool has_host = parts[0].type == Reply::Type::string && !parts[0].text.empty();
    if (!has_host && parts[0].type != Reply::Type::nil && parts[0].type != Reply::Type::string) {
        return std::nullopt;
    }
    const Reply& port = parts[1];
    if (port.type != Reply::Type::integer || port.integer < 1 || port.integer > 65'535) {
        return std::nullopt;
    }
    ServerAddress server{.host = has_host ? parts[0].text : asked.host,
                         .port = static_cast<std::uint16_t>(port.integer),
                         .path = {}};
    if (server.host == kUnknownHost) return std::nullopt;
    return server;
}

/// Index of `server` in the list, to which it is added where it is missing.
std::size_t index_in(std::vector<ServerAddress>& list, const ServerAddress& server) {
    const auto found = std::ranges::find(list, server);
    const auto index = static_cast<std::size_t>(found - list.begin());
    if (found == list.end()) list.push_back(server);
    return index;
}

}  // namespace

Result<SlotMap> SlotMap::from_reply(const Reply& reply, const ServerAddress& asked) {
    if (reply.type != Reply::Type::array) return unexpected("no list");
    if (reply.elements.empty()) return unexpected("no slots");
    SlotMap map;
    for (const Reply& range : reply.elements) {
        const auto& parts = range.elements;
        if (range.type != Reply::Type::array || parts.size() < 3 ||
            parts[0].type != Reply::Type::integer || parts[1].type != Reply::Type::integer) {
            return unexpected("a range without bounds or servers");
        }
        const std::int64_t first = parts[0].integer;
        const std::int64_t last = parts[1].integer;
        if (first < 0 || first > last || last >= kSlots) {
            return unexpected("a range with impossible bounds");
        }
        const auto primary = server_of(parts[2], asked);
        if (!primary) return unexpected("a range without the address of its primary");
        const std::size_t owner = index_in(map.primaries_, *primary);
        for (std::size_t i = 3; i < parts.size(); ++i) {
            // A replica that can't be named is no loss.
            if (const auto replica = server_of(parts[i], asked)) index_in(map.replicas_, *replica);
            if (map.replicas_.size() > kMaxServers) return unexpected("too many servers");
        }
        if (map.primaries_.size() > kMaxServers) return unexpected("too many servers");
        for (std::int64_t slot = first; slot <= last; ++slot) {
            auto& entry = map.owners_[static_cast<std::size_t>(slot)];
            if (entry != kNobody) return unexpected("a slot twice");
            entry = static_cast<std::uint16_t>(owner);
        }
    }
    return map;
}

const ServerAddress* SlotMap::primary(std::uint16_t slot) const noexcept {
    const std::uint16_t owner = owners_[slot % kSlots];
    return owner == kNobody ? nullptr : &primaries_[owner];
}

void SlotMap::move(std::uint16_t slot, const ServerAddress& to) {
    if (primaries_.size() >= kMaxServers && !has(to)) return;
    owners_[slot % kSlots] = static_cast<std::uint16_t>(index_in(primaries_, to));
    std::erase(replicas_, to);
}

bool SlotMap::has(const ServerAddress& server) const noexcept {
    return std::ranges::find(primaries_, server) != primaries_.end() ||
           std::ranges::find(replicas_, server) != replicas_.end();
}

bool is_state_ok(const Reply& reply) noexcept {
    return reply.type == Reply::Type::string &&
           reply.text.find("cluster_state:ok\r") != std::string::npos;
}

std::optional<Redirect> parse_redirect(const Reply& reply, const ServerAddress& asked) {
    Redirect redirect{};
    if (reply.is_error("MOVED")) {
        redirect.kind = Redirect::Kind::moved;
    } else if (reply.is_error("ASK")) {
        redirect.kind = Redirect::Kind::ask;
    } else {
        return std::nullopt;
    }
    const std::string_view text = reply.text;
    const std::size_t before_slot = text.find(' ');
    if (before_slot == text.npos) return std::nullopt;
    const std::size_t before_host = text.find(' ', before_slot + 1);
    if (before_host == text.npos) return std::nullopt;
    const auto slot =
        parse_number<std::uint16_t>(text.substr(before_slot + 1, before_host - before_slot - 1));
    // An IPv6 address stands there without brackets, so the last colon is the port's.
    const std::string_view address = text.substr(before_host + 1);
    const std::size_t colon = address.rfind(':');
    if (!slot || *slot >= kSlots || colon == address.npos) return std::nullopt;
    const auto port = parse_number<std::uint16_t>(address.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    const std::string_view host = address.substr(0, colon);
    if (host == kUnknownHost || host.find(' ') != host.npos) return std::nullopt;
    redirect.slot = *slot;
    redirect.to.host = host.empty() ? asked.host : std::string(host);
    redirect.to.port = *port;
    return redirect;
}

}  // namespace ringmaster::redis
