#include "ringmaster/api/numbers_writer.hpp"

#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <cstring>

namespace ringmaster::api {

namespace {

/// Not zero where one of eight bytes can't stand in a JSON string as it is. May err on the careful
/// side.
std::uint64_t special_bytes(const char* bytes) noexcept {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    const std::uint64_t quote = word ^ kOnes * '"';
    const std::uint64_t backslash = word ^ kOnes * '\\';
    // A byte below n borrows from its high bit when n is taken off; one of 0x80 or more has it set.
    const std::uint64_t found = (word - kOnes * ' ') | (quote - kOnes) | (backslash - kOnes) | word;
    return found & kOnes * 0x80;
}

/// Whether `text` can be written as a JSON string by putting quotes around it. May err on the
/// careful side.
bool is_plain(std::string_view text) noexcept {
    constexpr std::size_t kBlock = 8;
    if (text.size() < kBlock) {
        return std::ranges::all_of(
            text, [](char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; });
    }
    std::uint64_t special = 0;
    for (std::size_t i = 0; i + kBlock < text.size(); i += kBlock) {
        special |= special_bytes(text.data() + i);
    }
    return (special | special_bytes(text.data() + text.size() - kBlock)) == 0;
}

/// Puts a short text together on the stack, so that the string it goes to is grown once and not for
/// each piece of it.
class Piece {
  public:
    explicit Piece(std::string& out) noexcept : out_(out) {}

    Piece& add(std::string_view text) noexcept {
        assert(text.size() <= static_cast<std::size_t>(bytes_.end() - end_));
        std::memcpy(end_, text.data(), text.size());
        end_ += text.size();
        return *this;
    }
    Piece& add(std::uint64_t number) noexcept {
        end_ = std::to_chars(end_, bytes_.end(), number).ptr;
        return *this;
    }
    /// With its quotes. Any text.
    Piece& add_string(std::string_view text) {
        if (text.size() <= kShortBytes && is_plain(text)) return add("\"").add(text).add("\"");
        flush();
        http::append_json_string(out_, text);
        return *this;
    }
    void flush() {
        out_.append(bytes_.begin(), end_);
        end_ = bytes_.begin();
    }

  private:
    static constexpr std::size_t kShortBytes = 32;

    std::string& out_;
    std::array<char, 256> bytes_;  ///< all fixed parts, 20 digits, a time and two short strings
    char* end_ = bytes_.begin();
};

char* write_digits(char* to, unsigned value, int digits) noexcept {
    for (int i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
    return to + digits;
}

}  // namespace

void NumbersWriter::append_row(std::string& out, const RequestId& request_id,
                               const ringpool::Allocation& allocation) {
    assert(allocation.outcome != ringpool::Allocation::Outcome::refused);
    Piece piece(out);
    piece.add("{");
    if (request_id) piece.add("\"request_id\":").add_string(*request_id).add(",");
    piece.add("\"number\":\"+").add(allocation.number.digits());
    piece.add("\",\"formatted\":").add_string(allocation.formatted.view());
    if (allocation.outcome == ringpool::Allocation::Outcome::allocated) {
        piece.add(",\"expires_at\":\"").add(utc(allocation.expires_at)).add("\"}");
    } else {
        piece.add(",\"overflow\":true,\"reason\":\"");
        piece.add(ringpool::to_string(allocation.reason)).add("\"}");
    }
    piece.flush();
}

void NumbersWriter::append_error(std::string& out, const RequestId& request_id,
                                 const ApiError& error) {
    out += '{';
    if (request_id) {
        out += "\"request_id\":";
        http::append_json_string(out, *request_id);
        out += ',';
    }
    out.append("\"error_class\":\"").append(to_string(error.error_class)).append("\",\"message\":");
    http::append_json_string(out, error.message);
    out += '}';
}

std::string_view NumbersWriter::utc(WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second != second_ || text_[0] == '\0') {
        const auto day = std::chrono::floor<std::chrono::days>(second);
        const std::chrono::year_month_day date(day);
        const std::chrono::hh_mm_ss clock(second - day);
        char* to = text_.data();
        to = write_digits(to, static_cast<unsigned>(static_cast<int>(date.year())), 4);
        *to++ = '-';
        to = write_digits(to, static_cast<unsigned>(date.month()), 2);
        *to++ = '-';
        to = write_digits(to, static_cast<unsigned>(date.day()), 2);
        *to++ = 'T';
        to = write_digits(to, static_cast<unsigned>(clock.hours().count()), 2);
        *to++ = ':';
        to = write_digits(to, static_cast<unsigned>(clock.minutes().count()), 2);
        *to++ = ':';
        to = write_digits(to, static_cast<unsigned>(clock.seconds().count()), 2);
        *to = 'Z';
        second_ = second;
    }
    return {text_.data(), text_.size()};
}

}  // namespace ringmaster::api
