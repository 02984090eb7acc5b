#pragma once
#include <vector>

#include "engine/tensor.h"

namespace duet {

/// Dimension i of the result is dimension axes[i] of x.
Tensor permute(const Tensor& x, const std::vector<int>& axes);

/// (N, H, W, C) → (N, C·H·W) in PyTorch's flattening order.
Tensor flatten_chw(const Tensor& x);

}  // namespace duet
