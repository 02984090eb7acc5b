#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/base/philox_vec.h"

namespace duet {

/// y[i] = x[i] / (1 − p), or 0 where the mask drops its element `first` + i, for i < count.
template <class T>
void apply_dropout(const Philox& mask, float p, std::int64_t first, std::int64_t count, const T* x,
                   T* y) {
  constexpr std::int64_t span = philox_vec_words;
  const T scale = T(1) / (T(1) - T(p));
  // Philox::to_uniform(word) ≥ p, without leaving the integers.
  const auto least = static_cast<std::uint32_t>(std::ceil(static_cast<double>(p) * 0x1p24)) << 8;
  for (std::int64_t start = first / 4 * 4; start < first + count; start += span) {
    std::uint32_t words[span];
    philox_words(mask, static_cast<std::uint64_t>(start) / 4, words);
    const auto keep = [&](std::int64_t i) {
      y[i - first] = words[i - start] >= least ? x[i - first] * scale : T(0);
    };
    // A whole span is a loop of known length.
    if (start >= first && start + span <= first + count) {
      for (std::int64_t i = start; i < start + span; ++i) keep(i);
    } else {
      const std::int64_t end = std::min(start + span, first + count);
      for (std::int64_t i = std::max(start, first); i < end; ++i) keep(i);
    }
  }
}

}  // namespace duet
