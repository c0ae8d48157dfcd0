#pragma once

/// RINGMASTER_ASAN is defined where AddressSanitizer instruments the code: GCC says so in one way,
/// Clang in another.
#if defined(__SANITIZE_ADDRESS__)
#define RINGMASTER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGMASTER_ASAN 1
#endif
#endif
