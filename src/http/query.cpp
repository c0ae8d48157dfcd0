#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <cassert>

#include "grammar.hpp"

namespace ringmaster::http {

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
    while (i < text.size()) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
        ++i;
    }
    return i;
}

/// What stands at the front of some text that begins with a byte of 0x80 or more.
struct Sequence {
    std::size_t size;  ///< of a character, or of the longest beginning of one: what becomes U+FFFD
    bool valid;
};

/// The table of well-formed sequences in the Unicode standard, 3.9.
Sequence read_utf8(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = at(0);
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

Error malformed(std::string_view where, std::size_t offset) {
    return {ErrorCode::invalid, "a '%' without two hex digits after it" + std::string(where) +
                                    " at byte " + std::to_string(offset)};
}

}  // namespace

Result<void> percent_decode(std::string_view text, bool plus_is_space, std::string& out) {
    const std::size_t before = out.size();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out.push_back(' ');
        } else if (text[i] != '%') {
            out.push_back(text[i]);
        } else {
            const int high = text.size() - i > 2 ? hex_value(text[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0) {
                out.resize(before);
                return malformed("", i);
            }
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        }
    }
    return {};
}

Result<std::optional<QueryReader::Pair>> QueryReader::next(std::string& arena) {
    std::string_view pair;
    std::size_t begin = offset_;
    while (pair.empty()) {
        if (rest_.empty()) return std::optional<Pair>();
        begin = offset_;
        pair = rest_.substr(0, rest_.find('&'));
        const std::size_t step = std::min(pair.size() + 1, rest_.size());
        rest_.remove_prefix(step);
        offset_ += step;
    }
    const auto decode = [&](std::string_view text) -> Result<std::string_view> {
        if (text.find_first_of("%+") == text.npos) return text;
        assert(arena.capacity() - arena.size() >= text.size());
        const std::size_t size = arena.size();
        auto decoded = percent_decode(text, true, arena);
        if (!decoded) return std::move(decoded).error();
        return std::string_view(arena).substr(size);
    };
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = decode(pair.substr(0, equals));
    const auto value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return malformed(", in the pair", begin);
    return std::optional<Pair>({*name, *value});
}

void append_json_string(std::string& out, std::string_view text) {
    out.reserve(out.size() + text.size() + 2);
    out.push_back('"');
    std::size_t run = 0;  // what lies before `i` and is not yet appended begins here
    std::size_t i = 0;
    while ((i = plain_end(text, i)) < text.size()) {
        const bool ascii = static_cast<unsigned char>(text[i]) < 0x80;
        const Sequence sequence = ascii ? Sequence{1, false} : read_utf8(text.substr(i));
        if (!sequence.valid) {
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

}  // namespace ringmaster::http
