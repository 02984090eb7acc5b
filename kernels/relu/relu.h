#pragma once
/// Rectified linear unit: y = max(x, 0), elementwise; NaN stays NaN.

#include "kernels/base/exec.h"
#include "kernels/base/host_device.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct ReluParams {
  std::int64_t count;
};
std::string describe(const ReluParams& p);

struct ReluRow : RowInfo {
  using Params = ReluParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView x, View y);
  /// grad_x = grad_y where y > 0, else 0.
  void (*backward)(Exec&, const Params&, ConstView y, ConstView grad_y, View grad_x);
};

RowList<ReluRow>& relu_rows();

/// The function itself, of a number or, on the CPU, a vector of numbers: for kernels that end in
/// it.
template <class T>
DUET_HOST_DEVICE T rectified(T x) {
  return x < T{} ? T{} : x;
}

}  // namespace duet
