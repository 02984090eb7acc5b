#pragma once
#include "engine/tensor.h"

namespace duet {

struct LinearOptions {
  /// Whether a ReLU follows.
  bool relu = false;
  /// Whether f32 operands may be rounded to TF32 on the way into a product.
  bool tf32 = false;
};

/// y = x · weightᵀ + bias: x (N, I), weight (O, I), bias (O) or undefined → (N, O), all of one
/// dtype.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
              LinearOptions options = {});

}  // namespace duet
