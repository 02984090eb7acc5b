#pragma once
#include <vector>

#include "engine/tensor.h"

namespace duet {

/// Joins tensors that differ in one extent only along that dimension (negative: from the back).
Tensor concat(const std::vector<Tensor>& parts, int dimension = -1);

}  // namespace duet
