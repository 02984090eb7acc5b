#pragma once
/// Adam (Kingma, Ba 2015, algorithm 1) with the paper's coupled L2 term, over all parameters in one
/// call:
///
///   g = grad + l2_gradient · w;   m = β₁ m + (1 − β₁) g;   v = β₂ v + (1 − β₂) g²
///   w −= lr · (m / (1 − β₁^t)) / (sqrt(v / (1 − β₂^t)) + ε)

#include <cmath>
#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

/// What changes from update to update.
struct AdamRates {
  double rate;   ///< lr / (1 − β₁^t)
  double scale;  ///< 1 / sqrt(1 − β₂^t), of sqrt(v)
};

struct AdamParams {
  double lr, beta1, beta2, eps;
  /// t: 1 at the first update.
  std::int64_t step;
  /// In the device's memory, instead of `lr` and `step`: what the next update of a graph goes by,
  /// an entry for each group of slots. Null where lr and step hold, for all groups.
  const AdamRates* rates = nullptr;
  /// In the device's memory, Σ grad²: where it is not finite, nothing is changed. Null where the
  /// gradients are not in question.
  const double* grad_square = nullptr;
};

/// By lr and step, for every group.
inline AdamRates rates_of(const AdamParams& p) {
  return {p.lr / (1 - std::pow(p.beta1, p.step)), 1 / std::sqrt(1 - std::pow(p.beta2, p.step))};
}
std::string describe(const AdamParams& p);

/// One parameter and its state, all of one shape and dtype, but for what is bf16.
struct AdamSlot {
  View weight;
  ConstView grad;  ///< may be bf16; absent where `left` and `right` stand for it
  View m, v;
  /// What the penalty adds to the gradient, per unit of weight: 2λ for λ·Σw², 0 where none applies.
  double l2_gradient = 0;
  /// Which of `AdamParams::rates` it is updated by.
  std::uint32_t group = 0;
  /// bf16, or absent: the new weights once more, rounded.
  View copy = {};
  /// left (N, O), right (N, I): the gradient of a weight (O, I) is leftᵀ · right, for rows that
  /// take it so. There is no copy then.
  ConstView left = {}, right = {};
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
  /// Whether slots may have a gradient's factors instead of the gradient, in f32 and f64.
  bool takes_factors = false;
};

RowList<AdamRow>& adam_rows();

}  // namespace duet
