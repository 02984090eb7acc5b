#include "engine/ops/augment.h"

#include "engine/ops/run.h"

namespace duet {

Tensor augment_images(const Tensor& x, const Tensor& augmentations) {
  require(x.shape().rank() == 4, "[augment_image] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  const AugmentImageParams params{x.dim(0), x.dim(1), x.dim(2), x.dim(3)};
  const auto how = structs_in<ImageAugmentation>("augment_image", augmentations, x);
  check(params, how);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const AugmentImageRow& row = select_row(augment_image_rows(), params, x);
  OpExec exec(row, x.device());
  row.forward(exec, params, x, how, y);
  return y;
}

Tensor augment_waves(const Tensor& x, const Tensor& augmentations, std::uint64_t seed) {
  require(x.shape().rank() == 2, "[augment_wave] x is (N, T), this has shape {}",
          to_string(x.shape()));
  const AugmentWaveParams params{x.dim(0), x.dim(1), seed};
  const auto how = structs_in<WaveAugmentation>("augment_wave", augmentations, x);
  check(params, how);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const AugmentWaveRow& row = select_row(augment_wave_rows(), params, x);
  OpExec exec(row, x.device());
  row.forward(exec, params, x, how, y);
  return y;
}

}  // namespace duet
