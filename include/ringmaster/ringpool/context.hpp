#pragma once

#include "ringmaster/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmaster::ringpool {

struct ContextLimits {
    std::size_t max_parameters = 32;     ///< at most ContextBuilder::kCapacity
    std::size_t max_name_bytes = 64;     ///< at most 255
    std::size_t max_value_bytes = 2048;  ///< at most 65535
};

/// The marketing parameters of one request, in canonical form: sorted by name, each name once.
/// Equal contexts have equal bytes, in whatever order they came, so the bytes serve as identity,
/// as journal content and as wire format alike.
///
/// The canonical form is, for each parameter: name length (1 byte), value length (2 bytes, little
/// endian), name, value. A Context does not own its bytes.
class Context {
  public:
    Context() noexcept = default;
    /// `bytes` must have come from ContextBuilder::finish() or have passed is_canonical().
    explicit Context(std::string_view bytes) noexcept : bytes_(bytes) {}

    /// Whether `bytes`, e.g. from a file, are a canonical form.
    static bool is_canonical(std::string_view bytes) noexcept;

    bool empty() const noexcept { return bytes_.empty(); }
    std::string_view bytes() const noexcept { return bytes_; }

    /// Calls `visit(name, value)` for each parameter in order of name.
    template <class Visit>
    void for_each(Visit&& visit) const {
        std::string_view rest = bytes_;
        while (!rest.empty()) {
            const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
            const std::size_t name_size = byte(0);
            const std::size_t value_size = byte(1) | std::size_t{byte(2)} << 8;
            visit(rest.substr(3, name_size), rest.substr(3 + name_size, value_size));
            rest.remove_prefix(3 + name_size + value_size);
        }
    }

  private:
    std::string_view bytes_;
};

/// Collects the parameters of one context and writes its canonical form. Reusable: start() begins
/// the next one. Keeps only views of what it is given until finish().
class ContextBuilder {
  public:
    static constexpr std::size_t kCapacity = 64;

    explicit ContextBuilder(ContextLimits limits);

    void start() noexcept { count_ = 0; }
    /// Fails with ErrorCode::invalid and a text that names the parameter and the limit: empty or
    /// too long name, too long value, too many parameters, or a name that was added before.
    Result<void> add(std::string_view name, std::string_view value);
    /// Appends the canonical form to `arena` and returns how many bytes that took. (A view would
    /// go stale when a later context makes the arena grow.)
    std::size_t finish(std::string& arena);

  private:
    struct Parameter {
        std::string_view name;
        std::string_view value;
    };
    ContextLimits limits_;
    std::size_t count_ = 0;
    std::array<Parameter, kCapacity> parameters_;  ///< sorted by name at all times
};

}  // namespace ringmaster::ringpool
