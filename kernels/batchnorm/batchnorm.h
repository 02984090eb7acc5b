#pragma once
/// Batch normalisation over the last dimension (Ioffe, Szegedy 2015): an image batch (N, H, W, C)
/// is taken as N·H·W rows of C channels.
///
///   y = weight · (x − mean) / sqrt(var + eps) + bias
///
/// In training, mean and var are the batch's own (var biased, as PyTorch normalises with); in
/// inference they are given. Running statistics, where training passes them, move by `momentum`
/// towards the batch's mean and its unbiased variance.
///
/// Where x, y and their gradients are bf16, everything that belongs to a channel is f32.

#include "kernels/base/exec.h"
#include "kernels/base/host_device.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct BatchNormParams {
  std::int64_t rows = 0, channels = 0;
  double eps = 1e-5;
  /// Whether mean and var are functions of x (which decides the derivative).
  bool training = true;
  double momentum = 0.1;
};
std::string describe(const BatchNormParams& p);

struct BatchNormRow : RowInfo {
  using Params = BatchNormParams;
  Support (*supports)(const Params&, DType);
  /// x (rows, C), weight (C), bias (C) → y (rows, C). In training mean (C) and var (C) are written,
  /// and running_mean (C) and running_var (C) follow them where they are given; else mean and var
  /// are read, and the running ones are absent.
  void (*forward)(Exec&, const Params&, ConstView x, ConstView weight, ConstView bias, View mean,
                  View var, View running_mean, View running_var, View y);
  /// → grad_x (rows, C), grad_weight (C), grad_bias (C).
  void (*backward)(Exec&, const Params&, ConstView x, ConstView grad_y, ConstView weight,
                   ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias);
};

/// One step of the running statistics of one channel.
template <class T>
struct RunningStatistics {
  T *mean, *var;  // null where they are not kept

  DUET_HOST_DEVICE void follow(const BatchNormParams& p, std::int64_t c, T batch_mean,
                               T batch_var) const {
    if (!mean) return;
    const double rows = static_cast<double>(p.rows), unbiased = batch_var * (rows / (rows - 1));
    mean[c] += static_cast<T>(p.momentum * (batch_mean - mean[c]));
    var[c] += static_cast<T>(p.momentum * (unbiased - var[c]));
  }
};

RowList<BatchNormRow>& batchnorm_rows();

}  // namespace duet
