#pragma once
#include <span>

#include "engine/tensor.h"

namespace duet {

/// (x − mean[c]) / std[c] over the last dimension. No derivative: it prepares inputs.
Tensor standardize(const Tensor& x, std::span<const double> mean, std::span<const double> std);

}  // namespace duet
