#include <cmath>

#include "kernels/adam/adam.h"

namespace duet {

extern const AdamRow adam_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const AdamParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const AdamParams& p, std::span<const AdamSlot> slots) {
      if (p.grad_square && !std::isfinite(*p.grad_square)) return;
      const AdamRates rates = p.rates ? *p.rates : rates_of(p);
      for (const AdamSlot& slot : slots)
        dispatch_floating(slot.weight.dtype, [&](auto zero) {
          using T = decltype(zero);
          T *weight = slot.weight.as<T>(), *m = slot.m.as<T>(), *v = slot.v.as<T>();
          for (std::int64_t i = 0; i < slot.weight.numel(); ++i) {
            const double g = slot.grad.as<T>()[i] + slot.l2_gradient * weight[i];
            m[i] = static_cast<T>(p.beta1 * m[i] + (1 - p.beta1) * g);
            v[i] = static_cast<T>(p.beta2 * v[i] + (1 - p.beta2) * g * g);
            weight[i] = static_cast<T>(weight[i] -
                                       rates.rate * m[i] / (std::sqrt(v[i]) * rates.scale + p.eps));
          }
        });
    },
};

}  // namespace duet
