#pragma once
#include "engine/tensor.h"

namespace duet {

/// The mean cross-entropy of logits (N, C) against labels (N) i32, optionally with class weights
/// (C) and label smoothing in [0, 1); shape ().
/// kernels/softmax_cross_entropy/softmax_cross_entropy.h has the formula.
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels,
                             const Tensor& class_weights = {}, double label_smoothing = 0);

}  // namespace duet
