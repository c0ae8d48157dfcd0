#include "ringmaster/api/json_text.hpp"

#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace ringmaster::api {

namespace {

/// The number in "\\uXXXX" at the front of `text`; -1 where it is something else.
int read_code_unit(std::string_view text) noexcept {
    constexpr std::size_t kBytes = 6;
    if (text.size() < kBytes || text[0] != '\\' || text[1] != 'u') return -1;
    unsigned unit = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + kBytes, unit, 16);
    return end == text.data() + kBytes ? static_cast<int>(unit) : -1;
}

void append_utf8(std::string& out, std::uint32_t code_point) {
    const auto tail = [&](unsigned shift) {
        out += static_cast<char>(0x80 | (code_point >> shift & 0x3f));
    };
    if (code_point < 0x80) {
        out += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
        out += static_cast<char>(0xc0 | code_point >> 6);
        tail(0);
    } else if (code_point < 0x10000) {
        out += static_cast<char>(0xe0 | code_point >> 12);
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xf0 | code_point >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

/// Appends what the escape sequence at the front of `text` stands for, and returns its size; 0
/// where it is none.
std::size_t append_escape(std::string& out, std::string_view text) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (text.size() < 2) return 0;
    if (const std::size_t letter = kLetters.find(text[1]); letter != std::string_view::npos) {
        out += kMeanings[letter];
        return 2;
    }
    const int unit = read_code_unit(text);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return 0;
    if (unit < 0xd800 || unit > 0xdfff) {
        append_utf8(out, static_cast<std::uint32_t>(unit));
        return 6;
    }
    const int low = read_code_unit(text.substr(6));
    if (low < 0xdc00 || low > 0xdfff) return 0;
    append_utf8(out,
                static_cast<std::uint32_t>(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)));
    return 12;
}

/// A recursive descent that stops at the first fault.
class Checker {
  public:
    explicit Checker(std::string_view text) noexcept : text_(text) {}

    std::optional<JsonFault> check_document() {
        if (check_value(0)) {
            skip_blanks();
            if (at_ < text_.size()) fail("the end of the text");
        }
        return fault_;
    }

    bool check_number() {
        take('-');
        if (!take('0') && !take_digits()) return fail("a digit");
        if (take('.') && !take_digits()) return fail("a digit");
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            if (!take_digits()) return fail("a digit");
        }
        return true;
    }
    bool at_end() const noexcept { return at_ == text_.size(); }

  private:
    bool fail(std::string_view expected) noexcept {
        fault_ = JsonFault{at_, expected};
        return false;
    }
    /// The next byte; NUL, which no rule allows, at the end.
    char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) noexcept {
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool take_digits() noexcept {
        const std::size_t begin = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ > begin;
    }
    void skip_blanks() noexcept {
        at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size());
    }

    bool check_value(std::size_t depth) {
        skip_blanks();
        switch (peek()) {
            case '{': return check_object(depth + 1);
            case '[': return check_array(depth + 1);
            case '"': return check_string();
            case 't': return check_word("true");
            case 'f': return check_word("false");
            case 'n': return check_word("null");
            default: break;
        }
        if (peek() == '-' || (peek() >= '0' && peek() <= '9')) return check_number();
        return fail("a value");
    }

    bool check_word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return fail("a value");
        at_ += word.size();
        return true;
    }

    bool check_object(std::size_t depth) {
        if (depth > kMaxJsonDepth) return fail("no deeper nesting");
        take('{');
        skip_blanks();
        if (take('}')) return true;
        while (true) {
            skip_blanks();
            if (peek() != '"') return fail("a name in quotes");
            if (!check_string()) return false;
            skip_blanks();
            if (!take(':')) return fail("':'");
            if (!check_value(depth)) return false;
            skip_blanks();
            if (take('}')) return true;
            if (!take(',')) return fail("',' or '}'");
        }
    }

    bool check_array(std::size_t depth) {
        if (depth > kMaxJsonDepth) return fail("no deeper nesting");
        take('[');
        skip_blanks();
        if (take(']')) return true;
        while (true) {
            if (!check_value(depth)) return false;
            skip_blanks();
            if (take(']')) return true;
            if (!take(',')) return fail("',' or ']'");
        }
    }

    bool check_string() {
        take('"');
        while (!take('"')) {
            if (at_end()) return fail("'\"' at the end of the string");
            if (static_cast<unsigned char>(peek()) < 0x20) {
                return fail("control characters of strings to be escaped");
            }
            if (peek() == '\\') {
                if (!check_escape()) return false;
                continue;
            }
            const Utf8Sequence sequence = first_utf8_sequence(text_.substr(at_));
            if (!sequence.valid) return fail("UTF-8");
            at_ += sequence.size;
        }
        return true;
    }

    bool check_escape() {
        std::string ignored;
        const std::size_t bytes = append_escape(ignored, text_.substr(at_));
        if (bytes == 0) return fail("an escape sequence");
        at_ += bytes;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::optional<JsonFault> fault_;
};

}  // namespace

std::optional<JsonFault> find_json_fault(std::string_view text) {
    return Checker(text).check_document();
}

bool append_unescaped(std::string& out, std::string_view raw) {
    while (!raw.empty()) {
        const std::size_t plain = std::min(raw.find('\\'), raw.size());
        out += raw.substr(0, plain);
        raw.remove_prefix(plain);
        if (raw.empty()) break;
        const std::size_t bytes = append_escape(out, raw);
        if (bytes == 0) return false;
        raw.remove_prefix(bytes);
    }
    return true;
}

bool is_json_number(std::string_view text) noexcept {
    Checker checker(text);
    return checker.check_number() && checker.at_end();
}

}  // namespace ringmaster::api
