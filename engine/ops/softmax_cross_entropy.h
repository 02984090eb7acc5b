#pragma once
#include "engine/tensor.h"

namespace duet {

/// The mean cross-entropy of logits (N, C) against labels (N) i32, optionally with class weights
/// (C) and label smoothing in [0, 1); shape (). Loss and class weights of bf16 logits are f32.
/// Labels lie in 0 … C − 1: another is an Error on the CPU, and makes NaN of the loss elsewhere,
/// where nobody waits for a kernel to look. kernels/softmax_cross_entropy/softmax_cross_entropy.h
/// has the formula.
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels,
                             const Tensor& class_weights = {}, double label_smoothing = 0);

}  // namespace duet
