#include "ringmaster/api/numbers_writer.hpp"

#include "ringmaster/base/text.hpp"

#include <cassert>
#include <charconv>
#include <chrono>
#include <cstring>

namespace ringmaster::api {

namespace {

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
        if (text.size() <= kShortBytes && is_plain_json(text)) return add("\"").add(text).add("\"");
        flush();
        append_json_string(out_, text);
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
        append_json_string(out, *request_id);
        out += ',';
    }
    out.append("\"error_class\":\"").append(to_string(error.error_class)).append("\",\"message\":");
    append_json_string(out, error.message);
    out += '}';
}

std::string_view NumbersWriter::utc(WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second != second_ || text_[0] == '\0') {
        write_utc(text_.data(), second);
        second_ = second;
    }
    return {text_.data(), text_.size()};
}

}  // namespace ringmaster::api
