#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/base/philox.h"

namespace duet {

/// Philox blocks that are drawn side by side: lanes of a vector of 64 bytes, which the compiler
/// cuts up where registers are shorter.
inline constexpr int philox_lanes = 16;
inline constexpr int philox_words = 4 * philox_lanes;
using PhiloxLanes = std::uint32_t __attribute__((vector_size(4 * philox_lanes)));

/// a[0], b[0], a[1], b[1] … of the first half, and of the second.
template <int... i>
inline void zip(PhiloxLanes a, PhiloxLanes b, PhiloxLanes& first, PhiloxLanes& second,
                std::integer_sequence<int, i...>) {
  constexpr int half = philox_lanes / 2;
  first = __builtin_shufflevector(a, b, (i / 2 + i % 2 * philox_lanes)...);
  second = __builtin_shufflevector(a, b, (i / 2 + half + i % 2 * philox_lanes)...);
}

/// The words of blocks `first` … `first` + philox_lanes − 1, in order (philox.h has the formula).
inline void philox_blocks(const Philox& philox, std::uint64_t first,
                          std::uint32_t (&words)[philox_words]) {
  PhiloxLanes c[4] = {};
  for (int l = 0; l < philox_lanes; ++l) {
    c[0][l] = static_cast<std::uint32_t>(first + l);
    c[1][l] = static_cast<std::uint32_t>((first + l) >> 32);
  }
  c[2] += static_cast<std::uint32_t>(philox.stream);
  c[3] += static_cast<std::uint32_t>(philox.stream >> 32);
  // The two halves of the products, lane by lane.
  const auto multiply = [](std::uint32_t factor, PhiloxLanes a, PhiloxLanes& high,
                           PhiloxLanes& low) {
    for (int l = 0; l < philox_lanes; ++l) {
      const std::uint64_t product = std::uint64_t{factor} * a[l];
      high[l] = static_cast<std::uint32_t>(product >> 32);
      low[l] = static_cast<std::uint32_t>(product);
    }
  };
  std::uint32_t k0 = static_cast<std::uint32_t>(philox.seed),
                k1 = static_cast<std::uint32_t>(philox.seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    PhiloxLanes high0{}, low0{}, high2{}, low2{};
    multiply(0xD2511F53u, c[0], high0, low0);
    multiply(0xCD9E8D57u, c[2], high2, low2);
    c[0] = high2 ^ c[1] ^ k0;
    c[1] = low2;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
  }
  constexpr auto lanes = std::make_integer_sequence<int, philox_lanes>();
  PhiloxLanes even[2], odd[2], all[4];
  zip(c[0], c[2], even[0], even[1], lanes);
  zip(c[1], c[3], odd[0], odd[1], lanes);
  zip(even[0], odd[0], all[0], all[1], lanes);
  zip(even[1], odd[1], all[2], all[3], lanes);
  std::memcpy(words, all, sizeof all);
}

/// y[i] = x[i] / (1 − p), or 0 where the mask drops its element `first` + i, for i < count.
template <class T>
void apply_dropout(const Philox& mask, float p, std::int64_t first, std::int64_t count, const T* x,
                   T* y) {
  const T scale = T(1) / (T(1) - T(p));
  // Philox::to_uniform(word) ≥ p, in whole numbers.
  const auto least = static_cast<std::uint32_t>(std::ceil(p * 0x1p24f));
  const auto apply = [&](const std::uint32_t* words, std::int64_t n, const T* from, T* to) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T value = from[i] * scale;
      to[i] = words[i] >> 8 >= least ? value : T(0);
    }
  };
  for (std::int64_t start = first / 4 * 4; start < first + count; start += philox_words) {
    std::uint32_t words[philox_words];
    philox_blocks(mask, static_cast<std::uint64_t>(start) / 4, words);
    const std::int64_t begin = std::max(start, first),
                       end = std::min(start + philox_words, first + count);
    if (end - begin == philox_words)
      apply(words, philox_words, x + (begin - first), y + (begin - first));
    else
      apply(words + (begin - start), end - begin, x + (begin - first), y + (begin - first));
  }
}

}  // namespace duet
