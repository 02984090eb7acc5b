#pragma once
#include "engine/ops/structs.h"
#include "kernels/resize_pictures/resize_pictures.h"

namespace duet {

/// Antialiased bilinear resizing of images (N, H, W, C) → (N, height, width, C). No derivative: it
/// prepares inputs.
Tensor resize(const Tensor& x, std::int64_t height, std::int64_t width);

/// slots (N, size, size, 12) u8 of pictures of any size, a SlotPicture each, in a tensor of theirs
/// on the same device → (N, size, size, 3) in 0 … 1. No derivative: it prepares inputs.
Tensor resize_pictures(const Tensor& slots, const Tensor& pictures, DType dtype);

}  // namespace duet
