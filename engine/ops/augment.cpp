#include "engine/ops/augment.h"

#include "engine/ops/run.h"

namespace duet {
namespace {

/// The structs that a tensor of bytes holds, in its device's memory.
template <class Augmentation>
std::span<const Augmentation> structs(const char* op, const Tensor& bytes, const Tensor& x) {
  constexpr std::int64_t size = sizeof(Augmentation);
  require(bytes.dtype() == DType::u8 && bytes.shape() == Shape{x.dim(0), size},
          "[{}] the augmentations are u8 ({}, {}), these are {} {}", op, x.dim(0), size,
          to_string(bytes.dtype()), to_string(bytes.shape()));
  require(bytes.device() == x.device(), "[{}] the augmentations are on {}, x is on {}", op,
          to_string(bytes.device().type), to_string(x.device().type));
  return {static_cast<const Augmentation*>(bytes.view().data), static_cast<std::size_t>(x.dim(0))};
}

}  // namespace

Tensor augment_images(const Tensor& x, const Tensor& augmentations) {
  require(x.shape().rank() == 4, "[augment_image] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  const AugmentImageParams params{x.dim(0), x.dim(1), x.dim(2), x.dim(3)};
  const auto how = structs<ImageAugmentation>("augment_image", augmentations, x);
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
  const auto how = structs<WaveAugmentation>("augment_wave", augmentations, x);
  check(params, how);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const AugmentWaveRow& row = select_row(augment_wave_rows(), params, x);
  OpExec exec(row, x.device());
  row.forward(exec, params, x, how, y);
  return y;
}

}  // namespace duet
