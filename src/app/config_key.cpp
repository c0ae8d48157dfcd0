#include "config_key.hpp"

#include "ringmaster/app/printable.hpp"

#include <cmath>
#include <optional>
#include <sstream>
#include <sys/socket.h>

namespace ringmaster::app {
namespace {

constexpr std::size_t kMaxShownBytes = 60;

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "an integer";
        case toml::node_type::floating_point: return "a floating-point number";
        case toml::node_type::boolean: return "a boolean";
        case toml::node_type::array: return "an array";
        case toml::node_type::table: return "a table";
        default: return "a date or time";
    }
}

}  // namespace

Key percent_key(std::string_view name, double& target, std::int64_t standard, std::int64_t least,
                std::int64_t most) {
    const auto set = [&target](std::int64_t percent) {
        target = static_cast<double>(percent) / 100;
    };
    set(standard);
    return {
        name,
        "an integer from " + std::to_string(least) + " to " + std::to_string(most) + " (percent)",
        [set, least, most](const toml::node& node) {
            const auto* value = node.as_integer();
            if (value == nullptr || value->get() < least || value->get() > most) return false;
            set(value->get());
            return true;
        },
        [&target] { return std::to_string(std::llround(target * 100)); }};
}

Key count_or_auto_key(std::string_view name, std::size_t& target, std::size_t most) {
    target = 0;
    return {name, "\"auto\" or an integer from 1 to " + std::to_string(most),
            [&target, most](const toml::node& node) {
                if (const auto* text = node.as_string()) {
                    target = 0;
                    return text->get() == "auto";
                }
                const auto* value = node.as_integer();
                if (value == nullptr || value->get() < 1 ||
                    value->get() > static_cast<std::int64_t>(most)) {
                    return false;
                }
                target = static_cast<std::size_t>(value->get());
                return true;
            },
            [&target] { return target == 0 ? "auto" : std::to_string(target); }};
}

Key boolean_key(std::string_view name, bool& target, bool standard) {
    target = standard;
    return {name, "true or false",
            [&target](const toml::node& node) {
                if (!node.is_boolean()) return false;
                target = node.as_boolean()->get();
                return true;
            },
            [&target] { return std::string(target ? "true" : "false"); }};
}

Key string_key(std::string_view name, std::string expected,
               std::function<bool(const std::string&)> accept, std::function<std::string()> value) {
    return {name, std::move(expected),
            [accept = std::move(accept)](const toml::node& node) {
                const auto* text = node.as_string();
                return text != nullptr && accept(text->get());
            },
            std::move(value)};
}

Key text_key(std::string_view name, std::string& target, std::size_t max_bytes) {
    target.clear();
    return string_key(
        name, "a string of at most " + std::to_string(max_bytes) + " bytes",
        [&target, max_bytes](const std::string& text) {
            target = text;
            return text.size() <= max_bytes;
        },
        [&target] { return target; });
}

Key list_key(std::string_view name, std::vector<std::string>& target, std::string expected,
             std::function<bool(const std::vector<std::string>&)> accept) {
    target.clear();
    return {name, std::move(expected),
            [&target, accept = std::move(accept)](const toml::node& node) {
                const auto* array = node.as_array();
                if (array == nullptr) return false;
                target.clear();
                for (const toml::node& member : *array) {
                    const auto* text = member.as_string();
                    if (text == nullptr) return false;
                    target.push_back(text->get());
                }
                return accept(target);
            },
            [&target] {
                std::string text;
                for (const std::string& member : target) {
                    text.append(text.empty() ? "" : ", ") += member;
                }
                return text;
            }};
}

Key path_key(std::string_view name, std::filesystem::path& target,
             const std::filesystem::path& base, std::string_view standard, bool may_be_empty) {
    const auto resolve = [base](std::string_view text) {
        return text.empty() ? std::filesystem::path() : base / text;
    };
    target = resolve(standard);
    return string_key(
        name, "a path",
        [&target, resolve, may_be_empty](const std::string& text) {
            target = resolve(text);
            return (may_be_empty || !text.empty()) && text.find('\0') == std::string::npos;
        },
        [&target] { return target.string(); });
}

Key address_key(std::string_view name, net::Endpoint& target, std::string_view standard) {
    target = net::parse_endpoint(standard).value();
    return string_key(
        name, "ADDRESS:PORT, e.g. \"127.0.0.1:8080\" or \"[::1]:8080\"",
        [&target](const std::string& text) {
            const auto parsed = net::parse_endpoint(text);
            if (!parsed || parsed->data()->sa_family == AF_UNIX) return false;
            target = *parsed;
            return true;
        },
        [&target] { return net::to_string(target); });
}

std::string shown(const toml::node& node) {
    if (const auto* text = node.as_string()) {
        return "\"" + printable(text->get(), kMaxShownBytes) + "\"";
    }
    if (!node.is_value()) return std::string(kind_of(node));
    std::ostringstream out;
    node.visit([&](const auto& value) {
        if constexpr (toml::is_value<decltype(value)>) out << value;
    });
    return out.str();
}

std::string shown_secret(const toml::node& node) {
    std::string kind(kind_of(node));
    if (const auto* text = node.as_string()) {
        kind += " of " + std::to_string(text->get().size()) + " bytes";
    }
    return kind;
}

}  // namespace ringmaster::app
