#pragma once
/// Inverted dropout (Srivastava et al. 2014): element i is kept, and scaled by 1/(1−p), when the
/// i-th uniform number of the Philox sequence is at least p. The mask is a pure function of (seed,
/// stream, i), so it is drawn again in backward instead of being stored, and has the same bits on
/// every device.

#include "kernels/base/exec.h"
#include "kernels/base/philox.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct DropoutParams {
  std::int64_t count;
  /// Probability of dropping an element, in [0, 1).
  float p;
  Philox mask;
};
std::string describe(const DropoutParams& p);

struct DropoutRow : RowInfo {
  using Params = DropoutParams;
  Support (*supports)(const Params&, DType);
  /// y = x · mask / (1 − p): forward on x, backward on grad_y.
  void (*apply)(Exec&, const Params&, ConstView x, View y);
};

RowList<DropoutRow>& dropout_rows();

}  // namespace duet
