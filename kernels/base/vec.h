#pragma once
/// A register full of numbers, by GCC's vector extension (which Clang has too): the same code
/// becomes AVX-512, AVX, SSE or NEON, whatever it is compiled for. `a * b + c` becomes a fused
/// multiply-add where there is one; `scalar * vector` broadcasts.

#include <cstring>

#if defined(__clang__) || defined(__CUDACC__)
#define DUET_UNROLL _Pragma("unroll")
#else
/// The next loop has few iterations, known to the compiler: write them all out.
#define DUET_UNROLL _Pragma("GCC unroll 16")
#endif
/// For functions whose arrays of vectors must end up in registers.
#define DUET_INLINE inline __attribute__((always_inline))

namespace duet {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

/// Of a register's full width, or of fewer bytes.
template <class T, int bytes = vector_bytes>
struct VecOf {
  typedef T type __attribute__((vector_size(bytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;

/// Elements of a Vec<T>.
template <class T>
inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

/// Any address will do; no alignment is needed.
template <class T>
DUET_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
DUET_INLINE void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}

}  // namespace duet
