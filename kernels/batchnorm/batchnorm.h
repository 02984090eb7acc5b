#pragma once
/// Batch normalisation over the last dimension (Ioffe, Szegedy 2015): an image batch (N, H, W, C)
/// is taken as N·H·W rows of C channels.
///
///   y = weight · (x − mean) / sqrt(var + eps) + bias
///
/// In training, mean and var are the batch's own (var biased, as PyTorch normalises with); in
/// inference they are given.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct BatchNormParams {
  std::int64_t rows, channels;
  double eps = 1e-5;
  /// Whether mean and var are functions of x (which decides the derivative).
  bool training = true;
};
std::string describe(const BatchNormParams& p);

struct BatchNormRow : RowInfo {
  using Params = BatchNormParams;
  Support (*supports)(const Params&, DType);
  /// x (rows, C), weight (C), bias (C) → y (rows, C). In training mean (C) and var (C) are written,
  /// else read.
  void (*forward)(Exec&, const Params&, ConstView x, ConstView weight, ConstView bias, View mean,
                  View var, View y);
  /// → grad_x (rows, C), grad_weight (C), grad_bias (C).
  void (*backward)(Exec&, const Params&, ConstView x, ConstView grad_y, ConstView weight,
                   ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias);
};

RowList<BatchNormRow>& batchnorm_rows();

}  // namespace duet
