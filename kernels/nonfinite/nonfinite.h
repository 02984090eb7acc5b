#pragma once
/// Counts the elements that are NaN or infinite.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct NonfiniteParams {
  std::int64_t count;
};
std::string describe(const NonfiniteParams& p);

struct NonfiniteRow : RowInfo {
  using Params = NonfiniteParams;
  Support (*supports)(const Params&, DType);
  /// x → y: one i32 element, the number of non-finite elements of x.
  void (*forward)(Exec&, const Params&, ConstView x, View y);
};

RowList<NonfiniteRow>& nonfinite_rows();

}  // namespace duet
