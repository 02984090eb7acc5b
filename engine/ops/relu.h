#pragma once
#include "engine/tensor.h"

namespace duet {

/// max(x, 0), any shape.
Tensor relu(const Tensor& x);

}  // namespace duet
