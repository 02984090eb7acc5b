#pragma once
#include "engine/tensor.h"

namespace duet {

/// Softmax over the last dimension.
Tensor softmax(const Tensor& x);

}  // namespace duet
