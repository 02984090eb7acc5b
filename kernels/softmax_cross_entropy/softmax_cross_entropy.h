#pragma once
/// Softmax and cross-entropy in one, with class weights w and label smoothing s (as
/// torch.nn.CrossEntropyLoss defines them):
///
///   loss = Σ_n [ (1 − s) · w[t_n] · −log p[n, t_n]  +  s/C · Σ_c w[c] · −log p[n, c] ]  /  Σ_n
///   w[t_n]

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct SoftmaxCrossEntropyParams {
  std::int64_t rows, classes;
  double label_smoothing = 0;
};
std::string describe(const SoftmaxCrossEntropyParams& p);

struct SoftmaxCrossEntropyRow : RowInfo {
  using Params = SoftmaxCrossEntropyParams;
  Support (*supports)(const Params&, DType);
  /// logits (N, C), labels (N) i32 in 0 … C−1, class_weights (C) or absent → loss (one element),
  /// probabilities (N, C). Of bf16 logits, class weights, loss and probabilities are f32. A label
  /// out of range is an Error on the CPU; elsewhere it makes NaN of the loss and all gradients.
  void (*forward)(Exec&, const Params&, ConstView logits, ConstView labels, ConstView class_weights,
                  View loss, View probabilities);
  /// grad_loss (one element) → grad_logits (N, C).
  void (*backward)(Exec&, const Params&, ConstView probabilities, ConstView labels,
                   ConstView class_weights, ConstView grad_loss, View grad_logits);
};

RowList<SoftmaxCrossEntropyRow>& softmax_cross_entropy_rows();

}  // namespace duet
