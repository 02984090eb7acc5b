#pragma once
/// Σ x² over every element of several arrays: the L2 penalty, and the square of a gradient's norm.

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct SumOfSquaresParams {
  std::int64_t count;
};
std::string describe(const SumOfSquaresParams& p);

struct SumOfSquaresRow : RowInfo {
  using Params = SumOfSquaresParams;
  Support (*supports)(const Params&, DType);
  /// xs, in device rows of mixed types → y: one f64 element.
  void (*forward)(Exec&, const Params&, std::span<const ConstView> xs, View y);
};

RowList<SumOfSquaresRow>& sum_of_squares_rows();

}  // namespace duet
