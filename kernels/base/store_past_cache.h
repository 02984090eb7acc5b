#pragma once
/// Stores of results that are so large that they would be gone from the caches before anything
/// reads them: past the caches, which saves that every line is read from memory before it is
/// overwritten.

#include <cstdint>

#include "kernels/base/vec.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace duet {

#if defined(__SSE2__)

/// `p` is aligned to a vector. Other threads see what is stored after `stores_are_done`.
template <class T>
DUET_INLINE void store_past_cache(T* p, Vec<T> v) {
  auto* to = reinterpret_cast<float*>(p);
#if defined(__AVX512F__)
  __builtin_ia32_movntps512(to, reinterpret_cast<Vec<float>>(v));
#elif defined(__AVX__)
  __builtin_ia32_movntps256(to, reinterpret_cast<Vec<float>>(v));
#else
  __builtin_ia32_movntps(to, reinterpret_cast<Vec<float>>(v));
#endif
}
inline void stores_are_done() { _mm_sfence(); }

#else

template <class T>
DUET_INLINE void store_past_cache(T* p, Vec<T> v) {
  store(p, v);
}
inline void stores_are_done() {}

#endif

/// Results of as many bytes or more go past the caches: a quarter of a usual last cache (measured,
/// see docs/benchmarks/cpu.md).
inline constexpr std::int64_t past_cache_bytes = std::int64_t{8} << 20;

/// Whether `size` elements at `data`, which are stored in vectors at multiples of `pitch`, are to
/// go past the caches.
template <class T>
bool goes_past_cache(const T* data, std::int64_t size, std::int64_t pitch) {
  return size * static_cast<std::int64_t>(sizeof(T)) >= past_cache_bytes && pitch % lanes<T> == 0 &&
         reinterpret_cast<std::uintptr_t>(data) % vector_bytes == 0;
}

}  // namespace duet
