#include "ringmaster/ringpool/context.hpp"

#include <algorithm>
#include <stdexcept>

namespace ringmaster::ringpool {
namespace {

constexpr std::size_t kPrefixBytes = 3;
constexpr std::size_t kMaxNameBytes = 0xff;
constexpr std::size_t kMaxValueBytes = 0xffff;

/// The name as it may stand in an error text, however long a client made it.
std::string quoted(std::string_view name) {
    constexpr std::size_t kShown = 64;
    std::string text = "'";
    text += name.substr(0, kShown);
    text += name.size() > kShown ? "...'" : "'";
    return text;
}

Error invalid(std::string message) {
    return {ErrorCode::invalid, std::move(message)};
}

}  // namespace

bool Context::is_canonical(std::string_view bytes) noexcept {
    std::string_view last_name;  // empty, so that the first name must not be
    while (!bytes.empty()) {
        if (bytes.size() < kPrefixBytes) return false;
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
        const std::size_t name_size = byte(0);
        const std::size_t value_size = byte(1) | std::size_t{byte(2)} << 8;
        if (bytes.size() < kPrefixBytes + name_size + value_size) return false;
        const std::string_view name = bytes.substr(kPrefixBytes, name_size);
        if (name <= last_name) return false;
        last_name = name;
        bytes.remove_prefix(kPrefixBytes + name_size + value_size);
    }
    return true;
}

ContextBuilder::ContextBuilder(ContextLimits limits) : limits_(limits) {
    if (limits.max_parameters > kCapacity || limits.max_name_bytes > kMaxNameBytes ||
        limits.max_value_bytes > kMaxValueBytes) {
        throw std::invalid_argument("context limits exceed what the canonical form can hold");
    }
}

Result<void> ContextBuilder::add(std::string_view name, std::string_view value) {
    if (name.empty()) return invalid("a context parameter has an empty name");
    if (name.size() > limits_.max_name_bytes) {
        return invalid("the name of context parameter " + quoted(name) + " is longer than " +
                       std::to_string(limits_.max_name_bytes) + " bytes");
    }
    if (value.size() > limits_.max_value_bytes) {
        return invalid("the value of context parameter " + quoted(name) + " is longer than " +
                       std::to_string(limits_.max_value_bytes) + " bytes");
    }
    const auto end = parameters_.begin() + count_;
    const auto place =
        std::ranges::lower_bound(parameters_.begin(), end, name, {}, &Parameter::name);
    if (place != end && place->name == name) {
        return invalid("context parameter " + quoted(name) + " is given twice");
    }
    if (count_ == limits_.max_parameters) {
        return invalid("context parameter " + quoted(name) + " is one too many: at most " +
                       std::to_string(limits_.max_parameters) + " are allowed");
    }
    std::move_backward(place, end, end + 1);
    *place = {name, value};
    ++count_;
    return {};
}

std::size_t ContextBuilder::finish(std::string& arena) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        bytes += kPrefixBytes + parameters_[i].name.size() + parameters_[i].value.size();
    }
    const std::size_t before = arena.size();
    arena.resize(before + bytes);
    char* to = arena.data() + before;
    for (std::size_t i = 0; i < count_; ++i) {
        const auto& [name, value] = parameters_[i];
        *to++ = static_cast<char>(name.size());
        *to++ = static_cast<char>(value.size() & 0xff);
        *to++ = static_cast<char>(value.size() >> 8);
        to = std::ranges::copy(name, to).out;
        to = std::ranges::copy(value, to).out;
    }
    return bytes;
}

}  // namespace ringmaster::ringpool
