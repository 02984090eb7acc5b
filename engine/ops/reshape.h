#pragma once
#include "engine/tensor.h"

namespace duet {

/// The same elements in the same order under another shape; no copy.
Tensor reshape(const Tensor& x, const Shape& shape);

}  // namespace duet
