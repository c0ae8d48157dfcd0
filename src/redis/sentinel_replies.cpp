#include "ringmaster/redis/sentinel_replies.hpp"

#include <array>
#include <charconv>
#include <string>

namespace ringmaster::redis {
namespace {

std::optional<ServerAddress> address_of(std::string_view host, std::string_view port) {
    ServerAddress address{.host = std::string(host), .port = 0, .path = {}};
    const char* const end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data(), end, address.port);
    if (error != std::errc() || stop != end || address.port == 0 || host.empty()) {
        return std::nullopt;
    }
    return address;
}

}  // namespace

Result<ServerAddress> parse_master_address(const Reply& reply) {
    if (reply.type == Reply::Type::nil) {
        return Error{ErrorCode::not_found, "the sentinel knows no primary of this name"};
    }
    if (reply.is_error()) return Error{ErrorCode::invalid, "the sentinel says " + reply.text};
    const auto& parts = reply.elements;
    if (reply.type == Reply::Type::array && parts.size() == 2 &&
        parts[0].type == Reply::Type::string && parts[1].type == Reply::Type::string) {
        if (auto address = address_of(parts[0].text, parts[1].text)) return *std::move(address);
    }
    return Error{ErrorCode::invalid, "the sentinel's reply is not an address"};
}

std::optional<ServerAddress> parse_switch_master(std::string_view message,
                                                 std::string_view master_name) {
    std::array<std::string_view, 5> words;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::size_t blank = message.find(' ');
        const bool is_last = i + 1 == words.size();
        if (is_last != (blank == message.npos)) return std::nullopt;
        words[i] = message.substr(0, blank);
        if (!is_last) message.remove_prefix(blank + 1);
    }
    if (words[0] != master_name) return std::nullopt;
    return address_of(words[3], words[4]);
}

bool is_role_of_primary(const Reply& reply) noexcept {
    return reply.type == Reply::Type::array && !reply.elements.empty() &&
           reply.elements[0].type == Reply::Type::string && reply.elements[0].text == "master";
}

}  // namespace ringmaster::redis
