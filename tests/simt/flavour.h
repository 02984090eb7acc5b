#pragma once
/// With which sanitizers the kernels of this test program were compiled.

namespace duet::test {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool address_sanitizer = true;
#else
constexpr bool address_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
constexpr bool thread_sanitizer = true;
#else
constexpr bool thread_sanitizer = false;
#endif
constexpr bool sanitized = address_sanitizer || thread_sanitizer;

}  // namespace duet::test
