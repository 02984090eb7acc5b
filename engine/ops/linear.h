#pragma once
#include "engine/tensor.h"

namespace duet {

/// y = x · weightᵀ + bias: x (N, I), weight (O, I), bias (O) or undefined → (N, O).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace duet
