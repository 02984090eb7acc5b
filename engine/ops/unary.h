#pragma once
/// Elementwise functions of one tensor.

#include "engine/tensor.h"

namespace duet {

/// scale · x + offset
Tensor affine(const Tensor& x, double scale, double offset = 0);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
/// 1 / (1 + exp(−x))
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);

}  // namespace duet
