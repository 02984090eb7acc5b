#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/base/philox.h"

namespace duet {

/// Philox blocks drawn side by side, which become lanes of vector registers.
inline constexpr int philox_lanes = 16;

/// The words of blocks `first` … `first` + philox_lanes − 1 (philox.h has the formula): word w of
/// block l at words[w][l].
inline void philox_blocks(const Philox& philox, std::uint64_t first,
                          std::uint32_t (&words)[4][philox_lanes]) {
  auto& [c0, c1, c2, c3] = words;
  for (int l = 0; l < philox_lanes; ++l) {
    c0[l] = static_cast<std::uint32_t>(first + l);
    c1[l] = static_cast<std::uint32_t>((first + l) >> 32);
    c2[l] = static_cast<std::uint32_t>(philox.stream);
    c3[l] = static_cast<std::uint32_t>(philox.stream >> 32);
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(philox.seed),
                k1 = static_cast<std::uint32_t>(philox.seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int l = 0; l < philox_lanes; ++l) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0[l];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2[l];
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1[l] ^ k0;
      const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3[l] ^ k1;
      c1[l] = static_cast<std::uint32_t>(p1);
      c3[l] = static_cast<std::uint32_t>(p0);
      c0[l] = n0;
      c2[l] = n2;
    }
}

/// y[i] = x[i] / (1 − p), or 0 where the mask drops its element `first` + i, for i < count.
template <class T>
void apply_dropout(const Philox& mask, float p, std::int64_t first, std::int64_t count, const T* x,
                   T* y) {
  constexpr std::int64_t span = 4 * philox_lanes;
  const T scale = T(1) / (T(1) - T(p));
  // What a span of elements is multiplied by.
  T factors[span];
  for (std::int64_t start = first / 4 * 4; start < first + count; start += span) {
    std::uint32_t words[4][philox_lanes];
    philox_blocks(mask, static_cast<std::uint64_t>(start) / 4, words);
    for (int w = 0; w < 4; ++w)
      for (int l = 0; l < philox_lanes; ++l)
        factors[4 * l + w] = Philox::to_uniform(words[w][l]) >= p ? scale : T(0);
    const std::int64_t begin = std::max(start, first), end = std::min(start + span, first + count);
    for (std::int64_t i = begin; i < end; ++i) {
      const T factor = factors[i - start];
      y[i - first] = factor != 0 ? x[i - first] * factor : T(0);
    }
  }
}

}  // namespace duet
