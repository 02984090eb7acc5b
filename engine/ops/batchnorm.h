#pragma once
#include "engine/tensor.h"

namespace duet {

/// Batch normalisation over the last dimension by the batch's own statistics; x (…, C), weight (C),
/// bias (C). `batch_mean` and `batch_var` (C), the var biased, are written when they are defined.
Tensor batchnorm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                          const Tensor& batch_mean, const Tensor& batch_var);

/// The same by given statistics.
Tensor batchnorm_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const Tensor& mean, const Tensor& var);

}  // namespace duet
