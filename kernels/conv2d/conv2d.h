#pragma once
/// Two-dimensional convolution (cross-correlation, as every deep learning library calls it).
///
///   y[n, p, q, o] = bias[o] + Σ_{r, s, i} x[n, p·stride_h + r − pad_h, q·stride_w + s − pad_w, i]
///   · w[o, r, s, i]
///
/// with zero outside the image, or max(that, 0). Images are NHWC, weights (O, kH, kW, I). All
/// operands have one element type; sums of bf16 are carried in f32 and rounded once.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct Conv2dParams {
  std::int64_t n, h, w, in_channels, out_channels;
  std::int64_t kernel_h, kernel_w;
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  /// Whether forward ends in a ReLU; NaN stays NaN. What the other directions are given is the
  /// gradient before it.
  bool relu = false;
  /// Whether f32 operands may be rounded to TF32 (11 bits of significand) on the way into a
  /// product.
  bool tf32 = false;

  std::int64_t out_h() const { return (h + 2 * pad_h - kernel_h) / stride_h + 1; }
  std::int64_t out_w() const { return (w + 2 * pad_w - kernel_w) / stride_w + 1; }
  Shape x_shape() const { return {n, h, w, in_channels}; }
  Shape weight_shape() const { return {out_channels, kernel_h, kernel_w, in_channels}; }
  Shape y_shape() const { return {n, out_h(), out_w(), out_channels}; }
  /// Multiplications and additions of one direction, counted as the definition does them.
  double flops() const {
    return 2.0 * n * out_h() * out_w() * out_channels * kernel_h * kernel_w * in_channels;
  }
};
std::string describe(const Conv2dParams& p);

/// What a row offers to networks that only answer: weights that never change, kept in the form that
/// it computes with, and a pool at the end.
struct Conv2dInference {
  /// Elements of the packed weights. They depend on the weights alone, not on the images.
  std::int64_t (*packed_size)(const Conv2dParams&, DType);
  /// weight (O, kH, kW, I) → packed (packed_size).
  void (*pack)(Exec&, const Conv2dParams&, ConstView weight, View packed);
  /// x (N, H, W, I), packed, bias (O) or absent → y (N, H', W', O) or, with `pool`, the maxima of
  /// its windows of 2 × 2 pixels, (N, H'/2, W'/2, O); NaN wins over every number.
  void (*forward)(Exec&, const Conv2dParams&, ConstView x, ConstView packed, ConstView bias,
                  bool pool, View y);
};

struct Conv2dRow : RowInfo {
  using Params = Conv2dParams;
  Support (*supports)(const Params&, DType);
  /// x (N, H, W, I), weight (O, kH, kW, I), bias (O) or absent → y (N, H', W', O).
  void (*forward)(Exec&, const Params&, ConstView x, ConstView weight, ConstView bias, View y);
  /// grad_y (N, H', W', O), weight → grad_x (N, H, W, I).
  void (*backward_data)(Exec&, const Params&, ConstView grad_y, ConstView weight, View grad_x);
  /// x, grad_y → grad_weight (O, kH, kW, I). The gradient of the bias is a reduction of grad_y,
  /// another op's job.
  void (*backward_weights)(Exec&, const Params&, ConstView x, ConstView grad_y, View grad_weight);
  /// Null where a row has nothing of the kind.
  const Conv2dInference* inference = nullptr;
};

RowList<Conv2dRow>& conv2d_rows();

}  // namespace duet
