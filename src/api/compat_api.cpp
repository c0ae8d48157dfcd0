#include "ringmaster/api/compat_api.hpp"

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/content_negotiation.hpp"
#include "ringmaster/api/json_text.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/api/output.hpp"
#include "ringmaster/base/text.hpp"

#include <array>
#include <charconv>
#include <cstddef>

namespace ringmaster::api {

namespace {

bool is_date(std::string_view text) noexcept {
    constexpr std::string_view kForm = "dddd-dd-dd";
    if (text.size() != kForm.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return false;
    }
    return true;
}

void set_not_found(http::Response& response) {
    set_error(response, {ErrorClass::not_found, "no resource has this path"});
}

/// The text of a number as clients of these interfaces expect it.
class PromoNumber {
  public:
    explicit PromoNumber(ringpool::PhoneNumber number) noexcept {
        const char* const end =
            std::to_chars(text_.data() + 1, text_.data() + text_.size(), number.digits()).ptr;
        const auto digits = static_cast<std::size_t>(end - text_.data() - 1);
        // No other country code begins with 1, and all its national numbers have ten digits.
        is_national_ = digits == 11 && text_[1] == '1';
        view_ = {text_.data() + (is_national_ ? 2 : 0), end};
    }
    PromoNumber(const PromoNumber&) = delete;
    PromoNumber& operator=(const PromoNumber&) = delete;

    std::string_view view() const noexcept { return view_; }

    /// As it may stand anywhere in a URL.
    void append_percent_encoded(std::string& out) const {
        if (is_national_) {
            out += view_;
        } else {
            out.append("%2B").append(view_.substr(1));
        }
    }

  private:
    std::array<char, 24> text_{'+'};
    std::string_view view_;
    bool is_national_;
};

/// As character data of an XML 1.0 element. What can't be there, however it is written, becomes
/// U+FFFD.
void append_xml_text(std::string& out, std::string_view text) {
    constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
    // There and back through JSON, what is not UTF-8 has been replaced.
    std::string json;
    append_json_string(json, text);
    std::string utf8;
    append_unescaped(utf8, std::string_view(json).substr(1, json.size() - 2));
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const char c = utf8[i];
        const std::string_view rest = std::string_view(utf8).substr(i);
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else if (c == '\r') {
            out += "&#13;";  // as it stands, a parser would read a line feed
        } else if (c >= 0 && c < ' ' && c != '\t' && c != '\n') {
            out += kReplacement;
        } else if (rest.starts_with("\xEF\xBF\xBE") || rest.starts_with("\xEF\xBF\xBF")) {
            out += kReplacement;  // U+FFFE and U+FFFF are no characters of XML
            i += 2;
        } else {
            out += c;
        }
    }
}

void append_xml_element(std::string& out, std::string_view name, std::string_view text) {
    out.append("  <").append(name).append(">");
    append_xml_text(out, text);
    out.append("</").append(name).append(">\n");
}

constexpr std::string_view kXmlDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

void write_error(CompatApi::Format format, const ApiError& error, http::Response& response) {
    set_plain_error(response, error);
    if (format != CompatApi::Format::xml) return;
    response.content_type = "application/xml";
    response.body.assign(kXmlDeclaration).append("<Error>\n");
    append_xml_element(response.body, "Class", to_string(error.error_class));
    append_xml_element(response.body, "Message", error.message);
    response.body += "</Error>\n";
}

}  // namespace

CompatApi::CompatApi(const ringpool::Catalog& catalog, ringpool::Store& store,
                     const runtime::Scheduler& scheduler, const Clock& clock, ErrorReporter& errors,
                     const ApiLimits& limits)
    : reader_(catalog, limits), allocator_(catalog, store, scheduler, clock, errors) {}

void CompatApi::register_routes(http::Router& router) {
    using http::PathParameters;
    using http::Request;
    using http::Response;
    router.add(http::Method::post, "/api/{date}/bulk.json",
               [this](const Request& request, const PathParameters& parameters,
                      Response& response) { allocate_bulk(request, parameters[0], response); });
    const auto add_format = [&](std::string_view extension, Format format) {
        router.add(http::Method::get,
                   "/api/{date}/ring_pools/{pool}/allocate_number." + std::string(extension),
                   [this, format](const Request& request, const PathParameters& parameters,
                                  Response& response) {
                       allocate_number(request, parameters[0], parameters[1], format, response);
                   });
    };
    add_format("json", Format::json);
    add_format("xml", Format::xml);
    add_format("csv", Format::csv);
}

void CompatApi::allocate_bulk(const http::Request& request, std::string_view date,
                              http::Response& response) {
    if (!is_date(date)) return set_not_found(response);
    // Such clients send JSON under whatever name their libraries give to content.
    if (!check_uncoded(request, response)) return;
    BatchAllocator::Lease batch(allocator_);
    if (auto error = reader_.read_bulk(request.body(), batch->request)) {
        return set_error(response, *error);
    }
    allocator_.allocate("POST bulk.json", *batch);
    allocator_.append_responses(
        *batch, response.body,
        [&](const auto& request_id, const ringpool::PoolDefinition& definition,
            const ringpool::Allocation& answer) {
            append_row(response.body, request_id, definition, answer);
        });
    allocator_.add_processing_time(*batch, response);
}

void CompatApi::allocate_number(const http::Request& request, std::string_view date,
                                std::string_view pool, Format format, http::Response& response) {
    if (!is_date(date)) return set_not_found(response);
    // Each call begins the number's lifetime anew: an answer from a cache would be a broken
    // promise.
    response.add_header("Cache-Control", "no-store");
    BatchAllocator::Lease batch(allocator_);
    reader_.read_allocate_number(pool, request.query(), batch->request);
    allocator_.allocate("GET allocate_number", *batch);
    allocator_.for_each_row(
        *batch,
        [&](const auto&, const ringpool::PoolDefinition& definition,
            const ringpool::Allocation& answer) {
            write_number(format, definition, answer, response);
        },
        [&](const auto&, const ApiError& error) { write_error(format, error, response); });
    allocator_.add_processing_time(*batch, response);
}

/// Valid until the next call.
std::string_view CompatApi::tracking_url(const ringpool::PoolDefinition& pool,
                                         ringpool::PhoneNumber number) {
    constexpr std::string_view kPlaceholder = "{number}";
    const PromoNumber promo_number(number);
    std::string_view rest = pool.tracking_url;
    tracking_url_.clear();
    for (std::size_t at; (at = rest.find(kPlaceholder)) != rest.npos;) {
        tracking_url_ += rest.substr(0, at);
        promo_number.append_percent_encoded(tracking_url_);
        rest.remove_prefix(at + kPlaceholder.size());
    }
    return tracking_url_ += rest;
}

void CompatApi::append_row(std::string& out, const NumbersWriter::RequestId& request_id,
                           const ringpool::PoolDefinition& pool,
                           const ringpool::Allocation& answer) {
    out += '{';
    if (request_id) {
        out += "\"request_id\":";
        append_json_string(out, *request_id);
        out += ',';
    }
    out += "\"promo_number_formatted\":";
    append_json_string(out, answer.formatted.view());
    out.append(",\"promo_number\":\"").append(PromoNumber(answer.number).view());
    out += "\",\"tracking_url\":";
    append_json_string(out, tracking_url(pool, answer.number));
    if (answer.outcome == ringpool::Allocation::Outcome::overflow) out += ",\"overflow\":true";
    out += '}';
}

void CompatApi::write_number(Format format, const ringpool::PoolDefinition& pool,
                             const ringpool::Allocation& answer, http::Response& response) {
    const std::string_view formatted = answer.formatted.view();
    const PromoNumber number(answer.number);
    const std::string_view url = tracking_url(pool, answer.number);
    std::string& out = response.body;
    switch (format) {
        case Format::json:
            out += "{\"promo_number_formatted\":";
            append_json_string(out, formatted);
            out += ",\"tracking_url\":";
            append_json_string(out, url);
            out.append(",\"promo_number\":\"").append(number.view()).append("\"}");
            break;
        case Format::xml:
            response.content_type = "application/xml";
            out.append(kXmlDeclaration).append("<Response>\n");
            append_xml_element(out, "PromoNumberFormatted", formatted);
            append_xml_element(out, "PromoNumber", number.view());
            append_xml_element(out, "TrackingUrl", url);
            out += "</Response>\n";
            break;
        case Format::csv:
            response.content_type = "text/csv";
            out += "PromoNumberFormatted,PromoNumber,TrackingUrl\n";
            append_csv_field(out, formatted);
            out.append(",").append(number.view()).append(",");
            append_csv_field(out, url);
            out += '\n';
            break;
    }
}

}  // namespace ringmaster::api
