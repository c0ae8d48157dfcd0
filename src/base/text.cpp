#include "ringmaster/base/text.hpp"

namespace ringmaster {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// Where the first byte is that a JSON string can't hold without a closer look, or the size.
std::size_t plain_end(std::string_view text, std::size_t from) noexcept {
    std::size_t i = from;
    while (i + ByteBlock::kSize <= text.size()) {
        const std::size_t step = ByteBlock(text.data() + i).first_json_special();
        i += step;
        if (step < ByteBlock::kSize) return i;
    }
    while (i < text.size() && !is_json_special(text[i])) ++i;
    return i;
}

void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"': out.append("\\\""); break;
        case '\\': out.append("\\\\"); break;
        case '\b': out.append("\\b"); break;
        case '\f': out.append("\\f"); break;
        case '\n': out.append("\\n"); break;
        case '\r': out.append("\\r"); break;
        case '\t': out.append("\\t"); break;
        default:
            out.append("\\u00");
            out.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4]);
            out.push_back(kHexDigits[static_cast<unsigned char>(c) & 15]);
    }
}

}  // namespace

/// The table of well-formed sequences in the Unicode standard, 3.9.
Utf8Sequence first_utf8_sequence(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = at(0);
    if (lead < 0x80) return {1, true};
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4) return {1, false};
    // The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF.
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = 1; i < size; ++i) {
        if (i == text.size() || at(i) < low || at(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {size, true};
}

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const Utf8Sequence sequence = first_utf8_sequence(text);
        if (!sequence.valid) return false;
        text.remove_prefix(sequence.size);
    }
    return true;
}

void append_json_string(std::string& out, std::string_view text) {
    out.reserve(out.size() + text.size() + 2);
    out.push_back('"');
    std::size_t run = 0;  // what lies before `i` and is not yet appended begins here
    std::size_t i = 0;
    while ((i = plain_end(text, i)) < text.size()) {
        const bool ascii = static_cast<unsigned char>(text[i]) < 0x80;
        const Utf8Sequence sequence = first_utf8_sequence(text.substr(i));
        if (ascii || !sequence.valid) {
            out.append(text, run, i - run);
            if (ascii) append_escaped(out, text[i]);
            if (!ascii) out.append(kReplacement);
            run = i + sequence.size;
        }
        i += sequence.size;
    }
    out.append(text, run, text.size() - run);
    out.push_back('"');
}

void write_utc(char* to, std::chrono::sys_seconds time) noexcept {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
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
}

void append_utc(std::string& out, WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    char text[kUtcBytes + 4];
    write_utc(text, second);
    text[kUtcBytes - 1] = '.';
    *write_digits(text + kUtcBytes, static_cast<unsigned>((time - second).count()), 3) = 'Z';
    out.append(text, sizeof text);
}

}  // namespace ringmaster
