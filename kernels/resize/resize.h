#pragma once
/// Antialiased bilinear resizing with half-pixel centres: what Pillow calls BILINEAR and PyTorch
/// `interpolate(mode="bilinear", antialias=True, align_corners=False)`.
///
///   y[n, i, j, c] = Σ_{r, s} a_i[r] · b_j[s] · x[n, r, s, c]
///
/// where the taps a and b (triangle.h) of a row and of a column add up to 1.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct ResizeParams {
  std::int64_t n, h, w, channels;
  std::int64_t out_h, out_w;

  Shape x_shape() const { return {n, h, w, channels}; }
  Shape y_shape() const { return {n, out_h, out_w, channels}; }
};
std::string describe(const ResizeParams& p);
/// Throws Error when an extent is below 1.
void check(const ResizeParams& p);

struct ResizeRow : RowInfo {
  using Params = ResizeParams;
  Support (*supports)(const Params&, DType);
  /// x (N, H, W, C) → y (N, H', W', C). A single image is done on the calling thread alone, so that
  /// prefetch threads may call it.
  void (*forward)(Exec&, const Params&, ConstView x, View y);
};

RowList<ResizeRow>& resize_rows();

}  // namespace duet
