#pragma once
/// How layers with weights compute in the precision that the network is built for.

#include "engine/ops/cast.h"
#include "kernels/base/precision.h"

namespace duet {

/// `product(x, weight, bias)` of the operands as `precision` has them (`bias` may be undefined);
/// the result has x's type again. Weights keep their own type, so that small updates are not lost.
template <class Product>
Tensor in_precision(Precision precision, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    Product&& product) {
  const DType dtype = precision == Precision::bf16 ? DType::bf16 : x.dtype();
  return cast(product(cast(x, dtype), cast(weight, dtype), bias ? cast(bias, dtype) : bias),
              x.dtype());
}

}  // namespace duet
