#include <cmath>

#include "kernels/adam/adam.h"

namespace duet {

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
            const double g = widen(grad[i]) + slot.l2_gradient * weight[i];
            m[i] = static_cast<T>(p.beta1 * m[i] + (1 - p.beta1) * g);
            v[i] = static_cast<T>(p.beta2 * v[i] + (1 - p.beta2) * g * g);
            weight[i] = static_cast<T>(weight[i] -
                                       rates.rate * m[i] / (std::sqrt(v[i]) * rates.scale + p.eps));
            if (copy) copy[i] = bf16(static_cast<float>(weight[i]));
          }
        });
    },
};

}  // namespace duet
