#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ringmaster {

/// What went wrong, as far as a caller may want to act on it. The text is for people.
enum class ErrorCode {
    timeout,      ///< a deadline passed before the answer came
    closed,       ///< the other side, or this one, is gone or is draining
    invalid,      ///< the input is not what the contract asks for
    not_found,    ///< what was named does not exist
    unavailable,  ///< a resource (disk, store) does not work at the moment
    damaged,      ///< stored bytes are not what was written
};

/// The field's short name of a code, e.g. "timeout". Never fails.
std::string_view to_string(ErrorCode code) noexcept;

/// An expected failure. Expected failures are values; exceptions are for start-up and for bugs.
struct Error {
    ErrorCode code;
    std::string message;
};

/// A value, or the reason why there is none. `T` may be `void`.
template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

    bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    /// The value. Precondition: ok().
    T& value() & noexcept { return *checked(std::get_if<0>(&state_)); }
    const T& value() const& noexcept { return *checked(std::get_if<0>(&state_)); }
    T&& value() && noexcept { return std::move(*checked(std::get_if<0>(&state_))); }
    T& operator*() & noexcept { return value(); }
    const T& operator*() const& noexcept { return value(); }
    T&& operator*() && noexcept { return std::move(*this).value(); }
    T* operator->() noexcept { return &value(); }
    const T* operator->() const noexcept { return &value(); }

    /// The reason. Precondition: !ok().
    const Error& error() const& noexcept { return *checked(std::get_if<1>(&state_)); }
    Error&& error() && noexcept { return std::move(*checked(std::get_if<1>(&state_))); }

  private:
    template <class P>
    static P* checked(P* pointer) noexcept {
        assert(pointer != nullptr);
        return pointer;
    }

    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

    bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }
    const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
    Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  private:
    std::variant<std::monostate, Error> state_;
};

}  // namespace ringmaster
