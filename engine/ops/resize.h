#pragma once
#include "engine/tensor.h"

namespace duet {

/// Antialiased bilinear resizing of images (N, H, W, C) → (N, height, width, C). No derivative: it
/// prepares inputs.
Tensor resize(const Tensor& x, std::int64_t height, std::int64_t width);

}  // namespace duet
