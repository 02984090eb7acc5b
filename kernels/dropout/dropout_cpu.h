#pragma once
#include <cstdint>

#include "kernels/base/philox.h"

namespace duet {

/// y[i] = x[i] / (1 − p), or 0 where the mask drops its element `first` + i, for i < count.
template <class T>
void apply_dropout(const Philox& mask, float p, std::int64_t first, std::int64_t count, const T* x,
                   T* y) {
  const T scale = T(1) / (T(1) - T(p));
  // A Philox block holds the words of four neighbours.
  for (std::int64_t i = 0; i < count;) {
    const Philox::Block block = mask.block(static_cast<std::uint64_t>(first + i) / 4);
    for (std::int64_t k = (first + i) % 4; k < 4 && i < count; ++k, ++i)
      y[i] = Philox::to_uniform(block.word[k]) >= p ? x[i] * scale : T(0);
  }
}

}  // namespace duet
