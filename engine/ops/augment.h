#pragma once
#include "engine/ops/structs.h"
#include "kernels/augment_image/augment_image.h"
#include "kernels/augment_wave/augment_wave.h"

namespace duet {

/// images (N, H, W, C) in 0 … 1, an ImageAugmentation each, in a tensor of theirs on the
/// same device. No derivative: it prepares inputs.
Tensor augment_images(const Tensor& x, const Tensor& augmentations);

/// waves (N, T), a WaveAugmentation each, in the same way; noise is drawn under `seed`.
Tensor augment_waves(const Tensor& x, const Tensor& augmentations, std::uint64_t seed);

}  // namespace duet
