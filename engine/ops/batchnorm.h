#pragma once
#include "engine/tensor.h"

namespace duet {

/// Of each channel.
struct BatchNormStatistics {
  Tensor mean, var;  // (C)
};

/// Batch normalisation over the last dimension by the batch's own statistics; x (…, C), weight (C),
/// bias (C). Where they are defined, `statistics` (the var biased) are written and `running` (the
/// var unbiased) move towards them by `momentum`.
Tensor batchnorm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                          const BatchNormStatistics& statistics = {},
                          const BatchNormStatistics& running = {}, double momentum = 0.1);

/// The same by given statistics.
Tensor batchnorm_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const Tensor& mean, const Tensor& var);

/// What batch norm and the ops that begin with it ask of their arguments. Throws Error.
void check_batchnorm_arguments(const char* op, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const Tensor& mean, const Tensor& var,
                               bool training);
/// A statistic to be written: the given tensor, or a new one like `weight`.
inline Tensor or_new(const Tensor& statistic, const Tensor& weight) {
  return statistic ? statistic : Tensor::empty(weight.shape(), weight.dtype(), weight.device());
}

}  // namespace duet
