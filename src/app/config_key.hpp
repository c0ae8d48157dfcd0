#pragma once

#include "ringmaster/net/endpoint.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// What its parser asserts, a malformed file can break ("[&"), and is then told in builds without
// assertions. So it is in all.
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

namespace ringmaster::app {

/// One key of the configuration file: what a good value is, and where it goes. What it sets must
/// outlive it, and has its default from the moment the key is made.
struct Key {
    std::string_view name;
    std::string expected;                        ///< for people: what a good value is
    std::function<bool(const toml::node&)> set;  ///< false where the value is not a good one
    std::function<std::string()> value;          ///< what it is set to, as text
    bool required = false;
    bool secret = false;  ///< its value is never shown
};

/// The keys that may stand under [name] or, for pools, [[name]].
struct Section {
    std::string_view name;
    std::vector<Key> keys;
};

/// A number, or a duration that is written as a number of `Unit`; by default of what it is kept in.
template <class Unit = void, class T>
Key integer_key(std::string_view name, T& target, std::string_view unit, std::int64_t standard,
                std::int64_t least, std::int64_t most) {
    using Value = std::conditional_t<std::is_void_v<Unit>, T, Unit>;
    target = static_cast<Value>(standard);
    return {name,
            "an integer from " + std::to_string(least) + " to " + std::to_string(most) + " (" +
                std::string(unit) + ")",
            [&target, least, most](const toml::node& node) {
                const auto* value = node.as_integer();
                if (value == nullptr || value->get() < least || value->get() > most) return false;
                target = static_cast<Value>(value->get());
                return true;
            },
            [&target] {
                if constexpr (std::is_arithmetic_v<T>) {
                    return std::to_string(target);
                } else {
                    return std::to_string(target.count());
                }
            }};
}

/// A share or a factor that is written in percent.
Key percent_key(std::string_view name, double& target, std::int64_t standard, std::int64_t least,
                std::int64_t most);

/// A number from 1 to `most`, or "auto", which is the default and kept as 0.
Key count_or_auto_key(std::string_view name, std::size_t& target, std::size_t most);

Key boolean_key(std::string_view name, bool& target, bool standard);

/// A string that `accept` takes, or refuses with false. `value` gives it back.
Key string_key(std::string_view name, std::string expected,
               std::function<bool(const std::string&)> accept, std::function<std::string()> value);

/// One of some words, each of which stands for a value.
template <class T>
Key choice_key(std::string_view name, T& target, T standard,
               std::vector<std::pair<std::string_view, T>> values) {
    target = standard;
    std::string expected;
    for (const auto& [word, value] : values) {
        if (!expected.empty()) expected += word == values.back().first ? " or " : ", ";
        expected.append("\"").append(word).append("\"");
    }
    return string_key(
        name, std::move(expected),
        [&target, values](const std::string& text) {
            for (const auto& [word, value] : values) {
                if (word != text) continue;
                target = value;
                return true;
            }
            return false;
        },
        [&target, values] {
            for (const auto& [word, value] : values) {
                if (value == target) return std::string(word);
            }
            return std::string();
        });
}

/// Any string of up to `max_bytes`; by default empty.
Key text_key(std::string_view name, std::string& target, std::size_t max_bytes);

/// A list of strings that `accept` takes as a whole; by default empty.
Key list_key(std::string_view name, std::vector<std::string>& target, std::string expected,
             std::function<bool(const std::vector<std::string>&)> accept);

/// The path of a file or directory; a relative one is taken from `base`. An empty one is a good one
/// only where `may_be_empty`, and stays empty.
Key path_key(std::string_view name, std::filesystem::path& target,
             const std::filesystem::path& base, std::string_view standard, bool may_be_empty);

/// Where to listen for TCP: a numeric address and a port.
Key address_key(std::string_view name, net::Endpoint& target, std::string_view standard);

inline Key required(Key key) {
    key.required = true;
    return key;
}
inline Key secret(Key key) {
    key.secret = true;
    return key;
}

/// A value as an error message shows it: cut to a readable length, in one line.
std::string shown(const toml::node& node);
/// The same for a secret one: only what kind of value it is.
std::string shown_secret(const toml::node& node);

}  // namespace ringmaster::app
