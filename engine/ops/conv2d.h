#pragma once
#include "engine/tensor.h"

namespace duet {

struct Conv2dRow;

struct Conv2dOptions {
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  /// Whether a ReLU follows.
  bool relu = false;
  /// Whether f32 operands may be rounded to TF32 on the way into a product.
  bool tf32 = false;
};

/// x (N, H, W, I), weight (O, kH, kW, I), bias (O) or undefined → (N, H', W', O), H' = (H + 2·pad −
/// kH)/stride + 1. kernels/conv2d/conv2d.h has the formula. All are of one dtype.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options);

/// Weights that never change again, in the form that a row computes with.
struct PackedWeights {
  const Conv2dRow* row = nullptr;
  Tensor data;
};

/// The same, for answers only, and with `pool` the maxima of its windows of 2 × 2 pixels. `packed`
/// belongs to `weight`: the first call that runs by a row which packs its weights leaves them
/// there.
Tensor conv2d_inference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        Conv2dOptions options, bool pool, PackedWeights& packed);

}  // namespace duet
