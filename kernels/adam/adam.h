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

/// One parameter and its state, all of one shape and dtype, but for what is bf16.
struct AdamSlot {
  View weight;
  ConstView grad;  ///< may be bf16
  View m, v;
  /// What the penalty adds to the gradient, per unit of weight: 2λ for λ·Σw², 0 where none applies.
  double l2_gradient = 0;
  /// bf16, or absent: the new weights once more, rounded.
  View copy = {};
};

/// Calls `f` with zeros of the element types of a slot's weight and of its gradient.
template <class F>
void dispatch_slot(const AdamSlot& slot, F&& f) {
  dispatch_floating(slot.weight.dtype, [&](auto zero) {
    if (slot.grad.dtype == DType::bf16)
      f(zero, bf16{});
    else
      f(zero, zero);
  });
}

struct AdamRow : RowInfo {
  using Params = AdamParams;
  Support (*supports)(const Params&, DType);
  void (*step)(Exec&, const Params&, std::span<const AdamSlot> slots);
};

RowList<AdamRow>& adam_rows();

}  // namespace duet
