#include "ringmaster/ringpool/number_import.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include <phonenumbers/phonenumberutil.h>

namespace ringmaster::ringpool {
namespace {

namespace lib = i18n::phonenumbers;
using Util = lib::PhoneNumberUtil;

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// One row of the list: its fields, or why it has none.
struct Row {
    std::size_t line = 0;
    std::string_view text;  ///< its first line
    std::vector<std::string> fields;
    std::string problem;
};

/// Cuts a text into rows (RFC 4180) and leaves out blank lines and comments.
class RowReader {
  public:
    RowReader(std::string_view text, std::size_t max_row_bytes)
        : rest_(text), max_row_bytes_(max_row_bytes) {
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
    }

    /// False at the end of the text.
    bool next(Row& row) {
        while (!rest_.empty()) {
            const std::string_view line = rest_.substr(0, rest_.find('\n'));
            row.line = ++lines_;
            row.text = trim(line);
            if (row.text.empty() || row.text.front() == '#') {
                skip(line.size() + 1);
                continue;
            }
            const std::size_t size = read_fields(row);
            if (row.problem.empty()) {
                lines_ += static_cast<std::size_t>(std::ranges::count(rest_.substr(0, size), '\n'));
                skip(size + 1);
            } else {
                // What follows the bad line may be sound, whatever quotes it has left open.
                skip(line.size() + 1);
            }
            return true;
        }
        return false;
    }

    /// How many lines have been read.
    std::size_t lines() const { return lines_; }

  private:
    void skip(std::size_t size) { rest_.remove_prefix(std::min(size, rest_.size())); }

    /// Reads the row at the beginning of `rest_` and returns its size without the line's end.
    std::size_t read_fields(Row& row) {
        row.fields.clear();
        row.problem.clear();
        // One byte more than allowed shows whether the row ends in time.
        const std::string_view text = rest_.substr(0, max_row_bytes_ + 1);
        for (std::size_t i = 0;; ++i) {
            std::string field;
            i = text.substr(i).starts_with('"') ? read_quoted(text, i, field, row.problem)
                                                : read_plain(text, i, field);
            if (!row.problem.empty()) return i;
            row.fields.push_back(std::move(field));
            if (i > max_row_bytes_) {
                row.problem = "longer than " + std::to_string(max_row_bytes_) + " bytes";
            }
            if (i >= text.size() || text[i] == '\n') return i;
        }
    }

    static std::size_t read_plain(std::string_view text, std::size_t i, std::string& field) {
        const std::size_t end = std::min(text.find_first_of(",\n", i), text.size());
        field = trim(text.substr(i, end - i));
        return end;
    }

    std::size_t read_quoted(std::string_view text, std::size_t i, std::string& field,
                            std::string& problem) const {
        for (;;) {
            const std::size_t quote = text.find('"', i + 1);
            if (quote == std::string_view::npos) {
                problem =
                    "a quote is not closed within " + std::to_string(max_row_bytes_) + " bytes";
                return i;
            }
            field += text.substr(i + 1, quote - i - 1);
            i = quote + 1;
            if (!text.substr(i).starts_with('"')) break;
            field += '"';
        }
        i = std::min(text.find_first_not_of(kBlanks, i), text.size());
        if (i < text.size() && text[i] != ',' && text[i] != '\n') {
            problem = "there is text between a closing quote and the next comma";
        }
        return i;
    }

    std::string_view rest_;
    std::size_t max_row_bytes_;
    std::size_t lines_ = 0;
};

/// The column that a header gives the numbers, or nothing where `fields` are no header.
std::optional<std::size_t> number_column(const std::vector<std::string>& fields) {
    constexpr std::array<std::string_view, 4> kNames = {"number", "phone", "phone_number", "e164"};
    for (std::size_t i = 0; i < fields.size(); ++i) {
        std::string name(trim(fields[i]));
        std::ranges::transform(name, name.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        if (std::ranges::count(kNames, name) != 0) return i;
    }
    return std::nullopt;
}

/// Turns texts into numbers with the numbering plans of libphonenumber.
class NumberReader {
  public:
    static Result<NumberReader> make(std::string_view region) {
        const Util& util = *Util::GetInstance();
        const int country_code = util.GetCountryCodeForRegion(std::string(region));
        if (country_code == 0) {
            return Error{ErrorCode::invalid, "default region '" + std::string(region) +
                                                 "' is unknown; expected e.g. 'US'"};
        }
        return NumberReader(util, region, country_code);
    }

    Result<PoolNumber> read(std::string_view text) const {
        lib::PhoneNumber parsed;
        if (const auto national = plain_nanp_number(text)) {
            parsed.set_country_code(kNanpCountryCode);
            parsed.set_national_number(*national);
        } else {
            const auto error = util_->Parse(std::string(text), region_, &parsed);
            if (error != Util::NO_PARSING_ERROR) return refusal(describe(error));
        }
        if (parsed.has_extension()) return refusal("has an extension");
        if (!is_valid(parsed)) return refusal(why_not_valid(parsed));
        return format(parsed);
    }

  private:
    static constexpr int kNanpCountryCode = 1;

    NumberReader(const Util& util, std::string_view region, int country_code)
        : util_(&util), region_(region), country_code_(country_code) {}

    static Error refusal(std::string reason) { return {ErrorCode::invalid, std::move(reason)}; }

    /// The ten digits of a North American number that is written with nothing but digits and
    /// punctuation. By far most numbers are, and libphonenumber needs 10 us to parse one.
    std::optional<std::uint64_t> plain_nanp_number(std::string_view text) const {
        constexpr std::uint64_t kTenDigits = 10'000'000'000;
        const bool international = text.starts_with('+');
        if (international) text.remove_prefix(1);
        if (!international && country_code_ != kNanpCountryCode) return std::nullopt;
        std::uint64_t digits = 0;
        for (const char c : text) {
            if (c >= '0' && c <= '9') {
                digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
                if (digits >= 2 * kTenDigits) return std::nullopt;
            } else if (c != ' ' && c != '-' && c != '.' && c != '(' && c != ')') {
                return std::nullopt;
            }
        }
        if (digits >= kTenDigits) return digits - kTenDigits;
        if (international || digits < kTenDigits / 10 * 2) return std::nullopt;
        return digits;
    }

    /// Most numbers are of the default region; to ask for that one first spares the search through
    /// all regions that share its country code.
    bool is_valid(const lib::PhoneNumber& parsed) const {
        return util_->IsValidNumberForRegion(parsed, region_) || util_->IsValidNumber(parsed);
    }

    Result<PoolNumber> format(const lib::PhoneNumber& parsed) const {
        std::string text;
        if (parsed.country_code() == kNanpCountryCode) {
            // The whole plan writes 866-555-0142: what INTERNATIONAL gives behind "+1 ".
            text = std::to_string(parsed.national_number());
            const auto number = PhoneNumber::parse_e164("1" + text);
            if (!number || text.size() != 10) return refusal("not ten digits after +1");
            text.insert(6, 1, '-').insert(3, 1, '-');
            return PoolNumber{*number, FormattedNumber(text)};
        }
        util_->Format(parsed, Util::E164, &text);
        const auto number = PhoneNumber::parse_e164(text);
        if (!number) return refusal("not of 7 to 15 digits");
        util_->Format(parsed, Util::INTERNATIONAL, &text);
        return PoolNumber{*number, FormattedNumber(text)};
    }

    static std::string describe(Util::ErrorType error) {
        switch (error) {
            case Util::INVALID_COUNTRY_CODE_ERROR: return "its country code does not exist";
            case Util::TOO_SHORT_AFTER_IDD:
            case Util::TOO_SHORT_NSN: return "too short to be a number";
            case Util::TOO_LONG_NSN: return "too long to be a number";
            default: return "not a phone number";
        }
    }

    std::string why_not_valid(const lib::PhoneNumber& parsed) const {
        const std::string plan = " of country code " + std::to_string(parsed.country_code());
        switch (util_->IsPossibleNumberWithReason(parsed)) {
            case Util::TOO_SHORT: return "too short for a number" + plan;
            case Util::TOO_LONG: return "too long for a number" + plan;
            case Util::IS_POSSIBLE_LOCAL_ONLY: return "its area code is missing";
            case Util::INVALID_LENGTH: return "not as long as any number" + plan;
            default: return "no valid number" + plan;
        }
    }

    const Util* util_;
    std::string region_;
    int country_code_;
};

RefusedLine refuse(const Row& row, std::string reason) {
    constexpr std::size_t kShownBytes = 80;
    return {row.line, std::string(row.text.substr(0, kShownBytes)), std::move(reason)};
}

}  // namespace

Result<NumberImport> import_numbers(std::string_view text, std::string_view default_region,
                                    const NumberImportLimits& limits) {
    const auto reader = NumberReader::make(default_region);
    if (!reader) return reader.error();

    NumberImport result;
    std::unordered_map<PhoneNumber, std::size_t> first_lines;
    std::optional<std::size_t> column;
    RowReader rows(text, limits.max_line_bytes);
    for (Row row; rows.next(row);) {
        if (rows.lines() > limits.max_lines) break;
        if (!row.problem.empty()) {
            result.refused.push_back(refuse(row, row.problem));
            continue;
        }
        if (!column) {
            const auto named = number_column(row.fields);
            column = named.value_or(0);
            if (named) continue;
        }
        if (*column >= row.fields.size()) {
            result.refused.push_back(
                refuse(row, "there is no column " + std::to_string(*column + 1)));
            continue;
        }
        const auto number = reader->read(trim(row.fields[*column]));
        if (!number) {
            result.refused.push_back(refuse(row, number.error().message));
            continue;
        }
        const auto [first, is_new] = first_lines.try_emplace(number->number, row.line);
        if (is_new) {
            result.numbers.push_back(*number);
            result.lines.push_back(row.line);
        } else {
            result.refused.push_back(
                refuse(row, "repeats the number of line " + std::to_string(first->second)));
        }
    }
    if (rows.lines() > limits.max_lines) {
        return Error{ErrorCode::invalid,
                     "there are more than " + std::to_string(limits.max_lines) + " lines"};
    }
    return result;
}

Result<PoolNumber> import_number(std::string_view text, std::string_view default_region) {
    const auto reader = NumberReader::make(default_region);
    if (!reader) return reader.error();
    return reader->read(trim(text));
}

}  // namespace ringmaster::ringpool
