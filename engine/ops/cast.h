#pragma once
#include "engine/tensor.h"

namespace duet {

/// x with elements of another floating type (f32, f64, bf16), any shape; x itself where it has that
/// type. Its gradient is cast back.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace duet
