#pragma once
/// Two-dimensional max-pooling without padding; the first maximum of a window wins, and NaN wins
/// over every number.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct MaxPool2dParams {
  std::int64_t n, h, w, channels;
  std::int64_t kernel = 2, stride = 2;

  std::int64_t out_h() const { return (h - kernel) / stride + 1; }
  std::int64_t out_w() const { return (w - kernel) / stride + 1; }
  Shape x_shape() const { return {n, h, w, channels}; }
  Shape y_shape() const { return {n, out_h(), out_w(), channels}; }
};
std::string describe(const MaxPool2dParams& p);

struct MaxPool2dRow : RowInfo {
  using Params = MaxPool2dParams;
  Support (*supports)(const Params&, DType);
  /// x (N, H, W, C) → y (N, H', W', C) and tap (N, H', W', C) u8: where in its window, row by row,
  /// the maximum stood.
  void (*forward)(Exec&, const Params&, ConstView x, View y, View tap);
  /// tap, grad_y (N, H', W', C) → grad_x (N, H, W, C).
  void (*backward)(Exec&, const Params&, ConstView tap, ConstView grad_y, View grad_x);
};

RowList<MaxPool2dRow>& maxpool2d_rows();

}  // namespace duet
