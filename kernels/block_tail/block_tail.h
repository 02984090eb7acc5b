#pragma once
/// What follows a convolution, in one pass: batch normalisation → ReLU → max-pooling → dropout.
/// It is the composition of those four ops (kernels/batchnorm, relu, maxpool2d, dropout, whose
/// headers have the formulas), so that nothing between them is written to memory or kept for
/// backward, which works all of it out again from x.

#include "kernels/batchnorm/batchnorm.h"
#include "kernels/dropout/dropout.h"
#include "kernels/maxpool2d/maxpool2d.h"
#include "kernels/relu/relu.h"

namespace duet {

struct BlockTailParams {
  std::int64_t n = 2, h = 1, w = 1, channels = 1;
  /// Side and stride of the pooling window; 1: no pooling.
  std::int64_t pool = 1;
  double eps = 1e-5;
  /// Whether mean and var are functions of x.
  bool training = true;
  double momentum = 0.1;
  /// Probability of dropping an element of the result, in [0, 1).
  float dropout = 0;
  DropoutMask mask;

  BatchNormParams batchnorm() const { return {n * h * w, channels, eps, training, momentum}; }
  MaxPool2dParams maxpool2d() const { return {n, h, w, channels, pool, pool}; }
  std::int64_t out_h() const { return h / pool; }
  std::int64_t out_w() const { return w / pool; }
  /// Windows in a column and in a row of an image, those cut by its edge, which have no output,
  /// too.
  std::int64_t windows_h() const { return (h + pool - 1) / pool; }
  std::int64_t windows_w() const { return (w + pool - 1) / pool; }
  Shape x_shape() const { return {n, h, w, channels}; }
  Shape y_shape() const { return {n, out_h(), out_w(), channels}; }
};
std::string describe(const BlockTailParams& p);

struct BlockTailRow : RowInfo {
  using Params = BlockTailParams;
  Support (*supports)(const Params&, DType);
  /// x (N, H, W, C), weight (C), bias (C) → y (N, H/pool, W/pool, C). mean, var and the running
  /// statistics, all (C), as batchnorm's.
  void (*forward)(Exec&, const Params&, ConstView x, ConstView weight, ConstView bias, View mean,
                  View var, View running_mean, View running_var, View y);
  /// → grad_x (N, H, W, C), grad_weight (C), grad_bias (C).
  void (*backward)(Exec&, const Params&, ConstView x, ConstView grad_y, ConstView weight,
                   ConstView bias, ConstView mean, ConstView var, View grad_x, View grad_weight,
                   View grad_bias);
};

RowList<BlockTailRow>& block_tail_rows();

}  // namespace duet
