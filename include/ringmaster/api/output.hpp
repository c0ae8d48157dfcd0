#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What endpoints have in common in writing what clients get.
namespace ringmaster::api {

/// Appends one JSON object, member by member.
class JsonObject {
  public:
    explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
    JsonObject(const JsonObject&) = delete;
    JsonObject& operator=(const JsonObject&) = delete;

    JsonObject& text(std::string_view name, std::string_view value);
    JsonObject& count(std::string_view name, std::int64_t value);
    /// To six digits; null where there is none. It must be finite.
    JsonObject& real(std::string_view name, std::optional<double> value);
    JsonObject& boolean(std::string_view name, bool value);
    /// UTC, in milliseconds.
    JsonObject& time(std::string_view name, WallTime value);
    JsonObject& number(std::string_view name, ringpool::PhoneNumber value);
    /// For any other value, which must be appended to the result before the next member.
    std::string& value(std::string_view name);
    /// No member can follow.
    void end() { out_ += '}'; }

  private:
    std::string& out_;
    bool empty_ = true;
};

/// Appends an array: calls `append(element)`, which appends one of them, for each.
template <class Elements, class Append>
void append_json_array(std::string& out, const Elements& elements, Append&& append) {
    out += '[';
    for (const auto& element : elements) {
        if (out.back() != '[') out += ',';
        append(element);
    }
    out += ']';
}

/// As RFC 4180, 2 has it.
void append_csv_field(std::string& out, std::string_view text);

}  // namespace ringmaster::api
