#pragma once
/// How layers with weights compute in the precision that the network is built for.

#include "engine/ops/cast.h"

namespace duet {

/// `product(x)` in the type of the weights that it is made with; the result has x's type again.
template <class Product>
Tensor in_type_of(const Tensor& weight, const Tensor& x, Product&& product) {
  return cast(product(cast(x, weight.dtype())), x.dtype());
}

}  // namespace duet
