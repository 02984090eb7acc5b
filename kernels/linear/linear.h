#pragma once
/// Linear layer: y = x · weightᵀ + bias, or max(that, 0), with x (N, I), weight (O, I), bias (O),
/// y (N, O). All operands have one element type; sums of bf16 are carried in f32 and rounded once.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct LinearParams {
  std::int64_t n, in_features, out_features;
  /// Whether forward ends in a ReLU; NaN stays NaN. What the other
  /// directions are given is the gradient before it.
  bool relu = false;
  /// Whether f32 operands may be rounded to TF32 (11 bits of significand) on the way into a
  /// product.
  bool tf32 = false;
};
std::string describe(const LinearParams& p);

struct LinearRow : RowInfo {
  using Params = LinearParams;
  Support (*supports)(const Params&, DType);
  /// x (N, I), weight (O, I), bias (O) or absent → y (N, O).
  void (*forward)(Exec&, const Params&, ConstView x, ConstView weight, ConstView bias, View y);
  /// grad_y (N, O), weight (O, I) → grad_x (N, I): grad_y · weight.
  void (*backward_data)(Exec&, const Params&, ConstView grad_y, ConstView weight, View grad_x);
  /// x (N, I), grad_y (N, O) → grad_weight (O, I): grad_yᵀ · x. The gradient of the bias is a
  /// reduction of grad_y.
  void (*backward_weights)(Exec&, const Params&, ConstView x, ConstView grad_y, View grad_weight);
};

RowList<LinearRow>& linear_rows();

}  // namespace duet
