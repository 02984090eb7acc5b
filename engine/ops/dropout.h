#pragma once
#include "engine/tensor.h"
#include "kernels/dropout/dropout.h"

namespace duet {

/// Zeroes each element with probability p in [0, 1) and scales the others by 1/(1 − p); `mask` says
/// by which numbers.
Tensor dropout(const Tensor& x, double p, const DropoutMask& mask);

}  // namespace duet
