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

/// Which mask: the sequence under a seed and the number of its stream.
struct DropoutMask {
  Philox philox;
  /// In the device's memory, added to the stream when the kernel runs, so that a graph draws new
  /// masks each time; null: nothing is added.
  const std::uint64_t* offset = nullptr;

  DUET_HOST_DEVICE Philox sequence() const {
    return offset ? Philox{philox.seed, philox.stream + *offset} : philox;
  }
};

struct DropoutParams {
  std::int64_t count;
  /// Probability of dropping an element, in [0, 1).
  float p;
  DropoutMask mask;
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
