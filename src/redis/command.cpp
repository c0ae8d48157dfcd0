#include "ringmaster/redis/command.hpp"

#include <cassert>
#include <charconv>

namespace ringmaster::redis {
namespace {

void append_number(std::string& out, std::size_t number) {
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

}  // namespace

Command::Command(std::initializer_list<std::string_view> words) {
    start(words.size());
    for (const std::string_view word : words) add(word);
}

void Command::start(std::size_t words) {
    bytes_.assign("*");
    append_number(bytes_, words);
    bytes_.append("\r\n");
    missing_ = words;
}

Command& Command::add(std::string_view word) {
    assert(missing_ > 0);
    --missing_;
    bytes_.append("$");
    append_number(bytes_, word.size());
    bytes_.append("\r\n").append(word).append("\r\n");
    return *this;
}

}  // namespace ringmaster::redis
