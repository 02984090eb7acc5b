#pragma once
#include "engine/tensor.h"

namespace duet {

/// x (N, H, W, C) → (N, H', W', C) with H' = (H − kernel)/stride + 1, no padding.
Tensor maxpool2d(const Tensor& x, std::int64_t kernel = 2, std::int64_t stride = 2);

}  // namespace duet
