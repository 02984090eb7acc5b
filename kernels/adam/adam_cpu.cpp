#include <cmath>

#include "kernels/adam/adam.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

template <class T, class Grad>
void update(const AdamParams& p, const AdamRates& rates, const AdamSlot& slot) {
  T* __restrict weight = slot.weight.as<T>();
  const Grad* __restrict grad = slot.grad.as<Grad>();
  bf16* __restrict copy = slot.copy.as<bf16>();
  T* __restrict m = slot.m.as<T>(), * __restrict v = slot.v.as<T>();
  const T beta1 = static_cast<T>(p.beta1), beta2 = static_cast<T>(p.beta2);
  const T one_minus_beta1 = static_cast<T>(1 - p.beta1);
  const T one_minus_beta2 = static_cast<T>(1 - p.beta2);
  const T rate = static_cast<T>(rates.rate);
  const T scale = static_cast<T>(rates.scale);
  const T eps = static_cast<T>(p.eps), l2 = static_cast<T>(slot.l2_gradient);
  parallel_for(slot.weight.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T g = widen(grad[i]) + l2 * weight[i];
      m[i] = beta1 * m[i] + one_minus_beta1 * g;
      v[i] = beta2 * v[i] + one_minus_beta2 * g * g;
      weight[i] -= rate * m[i] / (std::sqrt(v[i]) * scale + eps);
    }
    if (!copy) return;
    for (std::int64_t i = begin; i < end; ++i) copy[i] = bf16(static_cast<float>(weight[i]));
  });
}

}  // namespace

extern const AdamRow adam_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const AdamParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const AdamParams& p, std::span<const AdamSlot> slots) {
      if (p.grad_square && !std::isfinite(*p.grad_square)) return;
      const AdamRates rates = p.rates ? *p.rates : rates_of(p);
      for (const AdamSlot& slot : slots)
        dispatch_slot(slot, [&](auto zero, auto grad_zero) {
          update<decltype(zero), decltype(grad_zero)>(p, rates, slot);
        });
    },
};

}  // namespace duet
