#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ringmaster::redis {

/// A command as it is sent: an array of binary-safe strings (RESP2). Reusable: start() begins the
/// next one, and allocates nothing once it has seen the longest.
class Command {
  public:
    Command() = default;
    /// Command({"GET", "key"}).
    Command(std::initializer_list<std::string_view> words);

    /// Begins anew. `words` is how many there will be, the name included.
    void start(std::size_t words);
    /// Precondition: not more than start() was told.
    Command& add(std::string_view word);
    Command& add(std::integral auto number) { return add(std::to_string(number)); }

    /// What is sent. Precondition: as many words as start() was told.
    std::string_view bytes() const noexcept { return bytes_; }

  private:
    std::string bytes_;
    std::size_t missing_ = 0;
};

}  // namespace ringmaster::redis
