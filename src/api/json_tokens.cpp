#include "ringmaster/api/json_tokens.hpp"

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/http/request.hpp"

#include <bit>
#include <cassert>
#include <new>

#include <simdjson.h>

namespace ringmaster::api {

static_assert(http::Request::kBodyPadding >= simdjson::SIMDJSON_PADDING);

struct JsonTokens::Index {
    /// More is given back after use: a few large texts shall not cost memory for ever.
    static constexpr std::size_t kKeepBytes = 256 * 1024;

    /// Makes room for a text of `bytes`. By powers of two, so that texts that grow bit by bit don't
    /// allocate each time.
    void reserve(std::size_t bytes) {
        if (stage != nullptr && stage->capacity() > bytes &&
            (stage->capacity() <= kKeepBytes || bytes >= kKeepBytes)) {
            return;
        }
        const std::size_t capacity = std::bit_ceil(bytes + 1);
        if (simdjson::get_active_implementation()->create_dom_parser_implementation(
                capacity, kMaxJsonDepth, stage) != simdjson::SUCCESS) {
            throw std::bad_alloc();
        }
    }

    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
};

JsonTokens::JsonTokens() : index_(std::make_unique<Index>()) {}

JsonTokens::~JsonTokens() = default;

bool JsonTokens::start(std::string_view text, std::string& decoded) {
    text_ = text;
    decoded_ = &decoded;
    has_escapes_ = text.find('\\') != std::string_view::npos;
    if (has_escapes_) decoded.reserve(decoded.size() + text.size());
    next_ = end_ = nullptr;
    index_->reserve(text.size());
    auto& stage = *index_->stage;
    if (stage.stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                     simdjson::stage1_mode::regular) != simdjson::SUCCESS) {
        return false;
    }
    next_ = stage.structural_indexes.get();
    end_ = next_ + stage.n_structural_indexes;
    return true;
}

bool JsonTokens::take_word(std::string_view& word) {
    if (at_end()) return false;
    const std::size_t begin = *next_++;
    const std::size_t end = at_end() ? text_.size() : *next_;
    word = text_.substr(begin, end - begin);
    word = word.substr(0, word.find_last_not_of(" \t\n\r") + 1);
    return word == "true" || word == "false" || word == "null" || is_json_number(word);
}

bool JsonTokens::skip(std::size_t depth) {
    std::string_view ignored;
    switch (peek()) {
        case '{':
            return depth < kMaxJsonDepth &&
                   take_object([&](std::string_view) { return skip(depth + 1); });
        case '[': return depth < kMaxJsonDepth && take_array([&] { return skip(depth + 1); });
        case '"': return take_string(ignored);
        default: return take_word(ignored);
    }
}

bool JsonTokens::decode(std::string_view& string) {
    if (string.find('\\') == std::string_view::npos) return true;
    const std::size_t begin = decoded_->size();
    [[maybe_unused]] const char* const before = decoded_->data();
    if (!append_unescaped(*decoded_, string)) return false;
    assert(decoded_->data() == before);
    string = std::string_view(*decoded_).substr(begin);
    return true;
}

}  // namespace ringmaster::api
