#pragma once
#include <span>

#include "engine/tensor.h"
#include "kernels/augment_image/augment_image.h"
#include "kernels/augment_wave/augment_wave.h"

namespace duet {

/// images (N, H, W, C) in 0 … 1, one augmentation each. No derivative: it prepares inputs.
Tensor augment_images(const Tensor& x, std::span<const ImageAugmentation> augmentations);

/// waves (N, T), one augmentation each; noise is drawn under `seed`.
Tensor augment_waves(const Tensor& x, std::span<const WaveAugmentation> augmentations,
                     std::uint64_t seed);

}  // namespace duet
