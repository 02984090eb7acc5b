#include <cmath>

#include "kernels/adam/adam.h"

namespace duet {
namespace {

/// The element of leftᵀ · right, a weight's gradient, with the number i.
template <class T>
T product_at(const AdamSlot& slot, std::int64_t i) {
  const std::int64_t rows = slot.weight.shape[0], columns = slot.weight.shape[1];
  const T *left = slot.left.as<T>() + i / columns, *right = slot.right.as<T>() + i % columns;
  T sum = 0;
  for (std::int64_t n = 0; n < slot.left.shape[0]; ++n) sum += left[n * rows] * right[n * columns];
  return sum;
}

}  // namespace

extern const AdamRow adam_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const AdamParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const AdamParams& p, std::span<const AdamSlot> slots) {
      if (p.grad_square && !std::isfinite(*p.grad_square)) return;
      for (const AdamSlot& slot : slots)
        dispatch_slot(slot, [&](auto zero, auto grad_zero) {
          const AdamRates rates = p.rates ? p.rates[slot.group] : rates_of(p);
          using T = decltype(zero);
          const auto* grad = slot.grad.as<decltype(grad_zero)>();
          bf16* copy = slot.copy.as<bf16>();
          T *weight = slot.weight.as<T>(), *m = slot.m.as<T>(), *v = slot.v.as<T>();
          for (std::int64_t i = 0; i < slot.weight.numel(); ++i) {
            const double g =
                (grad ? widen(grad[i]) : product_at<T>(slot, i)) + slot.l2_gradient * weight[i];
            m[i] = static_cast<T>(p.beta1 * m[i] + (1 - p.beta1) * g);
            v[i] = static_cast<T>(p.beta2 * v[i] + (1 - p.beta2) * g * g);
            weight[i] = static_cast<T>(weight[i] -
                                       rates.rate * m[i] / (std::sqrt(v[i]) * rates.scale + p.eps));
            if (copy) copy[i] = bf16(static_cast<float>(weight[i]));
          }
        });
    },
    true,
};

}  // namespace duet
