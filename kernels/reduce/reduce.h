#pragma once
/// Reductions over one dimension of an array seen as (outer, n, inner): y (outer, inner). Sums of
/// f32 are carried in f64 across fixed chunks, so a result does not depend on the number of
/// threads. NaN is larger than every number.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

enum class ReduceOp : std::uint8_t { sum, mean, max };
const char* to_string(ReduceOp op);

struct ReduceParams {
  ReduceOp op;
  std::int64_t outer, n, inner;
};
std::string describe(const ReduceParams& p);

struct ReduceRow : RowInfo {
  using Params = ReduceParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView x, View y);
  /// grad_y (outer, inner) → grad_x (outer, n, inner); of equal maxima the first receives the
  /// gradient.
  void (*backward)(Exec&, const Params&, ConstView x, ConstView grad_y, View grad_x);
};

RowList<ReduceRow>& reduce_rows();

}  // namespace duet
