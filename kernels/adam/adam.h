#pragma once
/// Adam (Kingma, Ba 2015, algorithm 1) with the paper's coupled L2 term, over all parameters in one
/// call:
///
///   g = grad + l2_gradient · w;   m = β₁ m + (1 − β₁) g;   v = β₂ v + (1 − β₂) g²
///   w −= lr · (m / (1 − β₁^t)) / (sqrt(v / (1 − β₂^t)) + ε)

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct AdamParams {
  double lr, beta1, beta2, eps;
  /// t: 1 at the first update.
  std::int64_t step;
};
std::string describe(const AdamParams& p);

/// One parameter and its state, all of one shape and dtype.
struct AdamSlot {
  View weight;
  ConstView grad;
  View m, v;
  /// What the penalty adds to the gradient, per unit of weight: 2λ for λ·Σw², 0 where none applies.
  double l2_gradient = 0;
};

struct AdamRow : RowInfo {
  using Params = AdamParams;
  Support (*supports)(const Params&, DType);
  void (*step)(Exec&, const Params&, std::span<const AdamSlot> slots);
};

RowList<AdamRow>& adam_rows();

}  // namespace duet
