#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

/// What every fuzz target defines, and either libFuzzer's main() or that of replay.cpp calls.
/// Returns 0, or does not return: what must never happen ends the process.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace ringmaster::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(data), size};
}

/// Ends the process unless `holds`. Not an assert: releases replay the inputs too.
inline void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "expected that %s\n", what);
    std::abort();
}

inline void expect_same(std::string_view a, std::string_view b, const char* what) {
    if (a == b) return;
    std::fprintf(stderr, "this:  %.*s\nother: %.*s\n", static_cast<int>(a.size()), a.data(),
                 static_cast<int>(b.size()), b.data());
    expect(false, what);
}

}  // namespace ringmaster::fuzz
