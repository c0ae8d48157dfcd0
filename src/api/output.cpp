#include "ringmaster/api/output.hpp"

#include "ringmaster/base/text.hpp"

#include <charconv>

namespace ringmaster::api {

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
    append_json_string(this->value(name), value);
    return *this;
}

JsonObject& JsonObject::count(std::string_view name, std::int64_t value) {
    this->value(name) += std::to_string(value);
    return *this;
}

JsonObject& JsonObject::real(std::string_view name, std::optional<double> value) {
    std::string& out = this->value(name);
    if (!value) {
        out += "null";
        return *this;
    }
    char text[32];
    const auto [end, error] =
        std::to_chars(text, text + sizeof text, *value, std::chars_format::general, 6);
    out.append(text, end);
    return *this;
}

JsonObject& JsonObject::boolean(std::string_view name, bool value) {
    this->value(name) += value ? "true" : "false";
    return *this;
}

JsonObject& JsonObject::time(std::string_view name, WallTime value) {
    this->value(name) += '"';
    append_utc(out_, value);
    out_ += '"';
    return *this;
}

JsonObject& JsonObject::number(std::string_view name, ringpool::PhoneNumber value) {
    this->value(name) += '"';
    value.append_e164(out_);
    out_ += '"';
    return *this;
}

std::string& JsonObject::value(std::string_view name) {
    if (!empty_) out_ += ',';
    empty_ = false;
    append_json_string(out_, name);
    return out_ += ':';
}

void append_csv_field(std::string& out, std::string_view text) {
    if (text.find_first_of("\",\r\n") == text.npos) {
        out += text;
        return;
    }
    out += '"';
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

}  // namespace ringmaster::api
