#include "ringmaster/api/content_negotiation.hpp"

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/http/weighted_list.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::api {

namespace {

char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string_view trim(std::string_view text) noexcept {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

/// Takes the part up to `separator`, or all, from the front of `rest`.
std::string_view take_part(std::string_view& rest, char separator) noexcept {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return trim(part);
}

/// What is said of one media type: by the most specific range that it falls into.
class Preference {
  public:
    Preference(std::string_view type, std::string_view subtype) noexcept
        : type_(type), subtype_(subtype) {}

    void see(std::string_view type, std::string_view subtype, int weight) noexcept {
        const bool same_type = equals_ignoring_case(type, type_);
        const bool same_subtype = equals_ignoring_case(subtype, subtype_);
        int precision = 0;
        if (same_type && same_subtype) precision = 3;
        if (same_type && subtype == "*") precision = 2;
        if (type == "*" && subtype == "*") precision = 1;
        if (precision <= precision_) return;
        precision_ = precision;
        weight_ = weight;
    }
    int weight() const noexcept { return weight_; }

  private:
    std::string_view type_;
    std::string_view subtype_;
    int precision_ = 0;
    int weight_ = 0;
};

bool prefers_text(std::string_view text_subtype, const http::Request& request) {
    Preference text("text", text_subtype);
    Preference json("application", "json");
    request.for_each_header([&](std::string_view name, std::string_view ranges) {
        if (!equals_ignoring_case(name, "Accept")) return;
        while (!ranges.empty()) {
            const http::Weighted range = http::take_weighted(ranges);
            std::string_view subtype = range.value;
            const std::string_view type = take_part(subtype, '/');
            text.see(type, subtype, range.thousandths);
            json.see(type, subtype, range.thousandths);
        }
    });
    return text.weight() > json.weight();
}

/// Fills in 415 with the types that would be accepted.
void refuse(http::Response& response, std::string_view accepted, std::string message) {
    response.add_header("Accept", accepted);
    response.add_header("Accept-Encoding", "identity");
    set_error(response, {ErrorClass::unsupported_media_type, std::move(message)});
}

constexpr std::string_view kJson = "application/json";

bool check_coding(const http::Request& request, std::string_view accepted,
                  http::Response& response) {
    const auto coding = request.header("Content-Encoding");
    if (!coding || coding->empty() || equals_ignoring_case(*coding, "identity")) return true;
    refuse(response, accepted, "the content is encoded; send it without Content-Encoding");
    return false;
}

}  // namespace

bool prefers_plain_text(const http::Request& request) {
    return prefers_text("plain", request);
}

bool prefers_csv(const http::Request& request) {
    return prefers_text("csv", request);
}

ContentKind content_kind(const http::Request& request) {
    std::string_view rest = request.header("Content-Type").value_or("");
    const std::string_view type = take_part(rest, ';');
    const auto is = [&](std::string_view name) { return equals_ignoring_case(type, name); };
    constexpr std::string_view kSuffix = "+json";
    const bool has_suffix =
        type.size() > kSuffix.size() &&
        equals_ignoring_case(type.substr(type.size() - kSuffix.size()), kSuffix);
    if (type.empty() || has_suffix || is(kJson) || is("text/json")) return ContentKind::json;
    if (is("text/plain") || is("text/csv")) return ContentKind::lines;
    return ContentKind::other;
}

bool check_uncoded(const http::Request& request, http::Response& response) {
    return check_coding(request, kJson, response);
}

bool check_json(const http::Request& request, http::Response& response) {
    if (!check_coding(request, kJson, response)) return false;
    if (content_kind(request) == ContentKind::json) return true;
    refuse(response, kJson,
           "the content is declared to be something else than JSON; send it with "
           "'Content-Type: application/json'");
    return false;
}

bool check_json_or_lines(const http::Request& request, http::Response& response) {
    constexpr std::string_view kAccepted = "application/json, text/csv, text/plain";
    if (!check_coding(request, kAccepted, response)) return false;
    if (content_kind(request) != ContentKind::other) return true;
    refuse(response, kAccepted,
           "the content is declared to be neither JSON nor a list; send it with 'Content-Type: "
           "application/json', 'text/csv' or 'text/plain'");
    return false;
}

}  // namespace ringmaster::api
