#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// Reads a JSON text (RFC 8259) token by token, in order and without building anything. simdjson's
/// first stage finds where the tokens begin, and checks the encoding and that strings end; what
/// follows is checked here as it is read, so whoever reads to the end has checked everything.
///
/// (simdjson's own On-Demand reader was tried: it leaves what is skipped unchecked, reads on behind
/// the end of a text that is cut off, and was not faster.)
class JsonTokens {
  public:
    JsonTokens();
    ~JsonTokens();
    JsonTokens(JsonTokens&&) = delete;

    /// Begins to read `text`; http::Request::kBodyPadding bytes after it must be readable. Strings
    /// with escapes are decoded to the end of `decoded`, which is given the capacity for all of
    /// them now and must not be touched meanwhile. False where the text is not JSON.
    bool start(std::string_view text, std::string& decoded);

    /// The first character of the next token; NUL at the end, which no token begins with.
    char peek() const noexcept { return next_ == end_ ? '\0' : text_[*next_]; }
    bool at_end() const noexcept { return next_ == end_; }

    /// Takes the next token if it is this punctuation.
    bool take(char punctuation) noexcept {
        if (peek() != punctuation) return false;
        ++next_;
        return true;
    }

    /// Takes the next token if it is a good string. `string` is what it stands for.
    bool take_string(std::string_view& string) {
        if (peek() != '"') return false;
        const char* begin = text_.data() + *next_++ + 1;
        // The next token is not far, and between only blanks follow the closing quote.
        const char* end = text_.data() + (next_ == end_ ? text_.size() : *next_);
        do {
            --end;
        } while (*end != '"');
        string = {begin, static_cast<std::size_t>(end - begin)};
        return !has_escapes_ || decode(string);
    }

    /// Takes the next token if it is a number, or one of true, false and null. `word` is the token
    /// itself.
    bool take_word(std::string_view& word);

    /// Takes the next value, whatever it is, and checks it. `depth` containers are open.
    bool skip(std::size_t depth);

    /// Takes an object. Calls `on_member(name)` for each member, which must take the value, and
    /// returns false to give up.
    template <class OnMember>
    bool take_object(OnMember&& on_member) {
        if (!take('{')) return false;
        if (take('}')) return true;
        do {
            std::string_view name;
            if (!take_string(name) || !take(':') || !on_member(name)) return false;
        } while (take(','));
        return take('}');
    }

    /// Takes an array. Calls `on_element()` for each element, which must take the value, and
    /// returns false to give up.
    template <class OnElement>
    bool take_array(OnElement&& on_element) {
        if (!take('[')) return false;
        if (take(']')) return true;
        do {
            if (!on_element()) return false;
        } while (take(','));
        return take(']');
    }

  private:
    struct Index;

    bool decode(std::string_view& string);

    std::unique_ptr<Index> index_;
    std::string_view text_;
    const std::uint32_t* next_ = nullptr;  ///< offsets of tokens
    const std::uint32_t* end_ = nullptr;
    bool has_escapes_ = false;
    std::string* decoded_ = nullptr;
};

}  // namespace ringmaster::api
