#include "engine/ops/augment.h"

#include "engine/ops/run.h"

namespace duet {

Tensor augment_images(const Tensor& x, std::span<const ImageAugmentation> augmentations) {
  require(x.shape().rank() == 4, "[augment_image] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  const AugmentImageParams params{x.dim(0), x.dim(1), x.dim(2), x.dim(3)};
  check(params, augmentations);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  OpExec exec(x.device());
  select_row(augment_image_rows(), params, x).forward(exec, params, x, augmentations, y);
  return y;
}

Tensor augment_waves(const Tensor& x, std::span<const WaveAugmentation> augmentations,
                     std::uint64_t seed) {
  require(x.shape().rank() == 2, "[augment_wave] x is (N, T), this has shape {}",
          to_string(x.shape()));
  const AugmentWaveParams params{x.dim(0), x.dim(1), seed};
  check(params, augmentations);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  OpExec exec(x.device());
  select_row(augment_wave_rows(), params, x).forward(exec, params, x, augmentations, y);
  return y;
}

}  // namespace duet
