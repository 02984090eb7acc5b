#pragma once
/// Concatenation along one dimension: with `outer` the product of the extents before it, part k is
/// an (outer, width[k]) matrix, and y the (outer, Σ width) matrix that holds the parts side by
/// side.

#include <span>
#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct ConcatParams {
  std::int64_t outer;
  std::vector<std::int64_t> widths;
};
std::string describe(const ConcatParams& p);

struct ConcatRow : RowInfo {
  using Params = ConcatParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, std::span<const ConstView> parts, View y);
  /// Cuts grad_y into the parts' gradients; a part without data is skipped.
  void (*backward)(Exec&, const Params&, ConstView grad_y, std::span<const View> grad_parts);
};

RowList<ConcatRow>& concat_rows();

}  // namespace duet
