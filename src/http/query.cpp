#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <cassert>

#include "grammar.hpp"

namespace ringmaster::http {

namespace {

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

}  // namespace ringmaster::http
