#pragma once
/// Philox's words many at a time, for the CPU: the same numbers as philox.h's, drawn in the lanes
/// of vector registers.

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "kernels/base/philox.h"
#include "kernels/base/vec.h"

namespace duet {
namespace philox_vec {

using Word = std::uint64_t;  ///< a word in the lower half, anything in the upper

/// The product of the words in each lane, all 64 bits of it.
DUET_INLINE Vec<Word> product(Vec<Word> a, Vec<Word> b) {
#if defined(__AVX512F__)
  // Under a mask of all lanes, for GCC 12 warns of what the plain form leaves undefined.
  return reinterpret_cast<Vec<Word>>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Vec<Word>>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__) && !defined(__AVX__)
  return reinterpret_cast<Vec<Word>>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  constexpr Word lower = 0xffffffff;
  return (a & lower) * (b & lower);
#endif
}

}  // namespace philox_vec

/// Blocks that are drawn side by side, and their words.
inline constexpr int philox_vec_blocks = 2 * lanes<std::uint64_t>;
inline constexpr int philox_vec_words = 4 * philox_vec_blocks;

/// The words of blocks `first` … `first` + philox_vec_blocks − 1 in their order: word w of block l
/// at words[4 l + w].
DUET_INLINE void philox_words(const Philox& philox, std::uint64_t first,
                              std::uint32_t (&words)[philox_vec_words]) {
  using namespace philox_vec;
  // Two vectors, so that one's products run while the other waits for its own.
  constexpr int count = 2;
  Vec<Word> lane{};
  for (int l = 0; l < lanes<Word>; ++l) lane[l] = static_cast<Word>(l);
  const Vec<Word> zero{}, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
  Vec<Word> c0[count], c1[count], c2[count], c3[count];
  DUET_UNROLL
  for (int v = 0; v < count; ++v) {
    const Vec<Word> block = lane + (first + static_cast<Word>(v) * lanes<Word>);
    c0[v] = block;
    c1[v] = block >> 32;
    c2[v] = zero + philox.stream;
    c3[v] = zero + (philox.stream >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(philox.seed),
       k1 = static_cast<std::uint32_t>(philox.seed >> 32);
  DUET_UNROLL
  for (int round = 0; round < 10; ++round) {
    const Vec<Word> key0 = zero + k0, key1 = zero + k1;
    DUET_UNROLL
    for (int v = 0; v < count; ++v) {
      const Vec<Word> p0 = product(c0[v], m0), p1 = product(c2[v], m1);
      c0[v] = (p1 >> 32) ^ c1[v] ^ key0;
      c2[v] = (p0 >> 32) ^ c3[v] ^ key1;
      c1[v] = p1;
      c3[v] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  constexpr Word lower = 0xffffffff;
  Word pairs[2 * philox_vec_blocks];
  DUET_UNROLL
  for (int v = 0; v < count; ++v) {
    const Vec<Word> a = (c0[v] & lower) | c1[v] << 32, b = (c2[v] & lower) | c3[v] << 32;
    for (int l = 0; l < lanes<Word>; ++l) {
      pairs[2 * (v * lanes<Word> + l)] = a[l];
      pairs[2 * (v * lanes<Word> + l) + 1] = b[l];
    }
  }
  std::memcpy(words, pairs, sizeof words);
}

}  // namespace duet
