#pragma once
/// Softmax over the last dimension, shifted by the row's maximum: y[n, c] = exp(x[n, c]) / Σ_k
/// exp(x[n, k]).

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct SoftmaxParams {
  std::int64_t rows, classes;
};
std::string describe(const SoftmaxParams& p);

struct SoftmaxRow : RowInfo {
  using Params = SoftmaxParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView x, View y);
  /// grad_x = y · (grad_y − Σ_k grad_y[k] · y[k]).
  void (*backward)(Exec&, const Params&, ConstView y, ConstView grad_y, View grad_x);
};

RowList<SoftmaxRow>& softmax_rows();

}  // namespace duet
