#pragma once
/// Reordering of dimensions: dimension i of y is dimension axes[i] of x. NHWC → NCHW is axes (0, 3,
/// 1, 2).

#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct PermuteParams {
  Shape x_shape;
  std::vector<int> axes;

  Shape y_shape() const;
  /// The permutation that undoes this one: it is also its derivative's.
  PermuteParams inverse() const;
};
std::string describe(const PermuteParams& p);

struct PermuteRow : RowInfo {
  using Params = PermuteParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView x, View y);
};

RowList<PermuteRow>& permute_rows();

}  // namespace duet
