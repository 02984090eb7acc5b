#pragma once
#include "engine/tensor.h"
#include "kernels/augment_image/augment_image.h"
#include "kernels/augment_wave/augment_wave.h"

namespace duet {

/// Structs as a tensor of their bytes on a device: (N, sizeof(Augmentation)) u8.
template <class Augmentation>
Tensor augmentation_tensor(const std::vector<Augmentation>& all, Device device = {}) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(all.data()),
                        all.size() * sizeof(Augmentation));
  return Tensor::from(bytes, {static_cast<std::int64_t>(all.size()), sizeof(Augmentation)}, device);
}

/// images (N, H, W, C) in 0 … 1, an ImageAugmentation each, in a tensor of theirs on the
/// same device. No derivative: it prepares inputs.
Tensor augment_images(const Tensor& x, const Tensor& augmentations);

/// waves (N, T), a WaveAugmentation each, in the same way; noise is drawn under `seed`.
Tensor augment_waves(const Tensor& x, const Tensor& augmentations, std::uint64_t seed);

}  // namespace duet
