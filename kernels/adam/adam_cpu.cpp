#include <cmath>

#include "kernels/adam/adam.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

/// The formula's numbers in the type that it is computed in.
template <class T>
struct Numbers {
  T beta1, beta2, one_minus_beta1, one_minus_beta2, rate, scale, eps, l2;

  Numbers(const AdamParams& p, const AdamRates& rates, double l2_gradient)
      : beta1(static_cast<T>(p.beta1)),
        beta2(static_cast<T>(p.beta2)),
        one_minus_beta1(static_cast<T>(1 - p.beta1)),
        one_minus_beta2(static_cast<T>(1 - p.beta2)),
        rate(static_cast<T>(rates.rate)),
        scale(static_cast<T>(rates.scale)),
        eps(static_cast<T>(p.eps)),
        l2(static_cast<T>(l2_gradient)) {}
};

/// A function of its own, so that the compiler believes that the arrays are apart, and vectorises.
template <class T, class Grad>
[[gnu::noinline]] void update_some(const Numbers<T>& numbers, std::int64_t count,
                                   const Grad* __restrict grad, T* __restrict weight,
                                   T* __restrict m, T* __restrict v) {
  const Numbers<T> n = numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = widen(grad[i]) + n.l2 * weight[i];
    const T new_m = n.beta1 * m[i] + n.one_minus_beta1 * g;
    const T new_v = n.beta2 * v[i] + n.one_minus_beta2 * g * g;
    m[i] = new_m;
    v[i] = new_v;
    weight[i] -= n.rate * new_m / (std::sqrt(new_v) * n.scale + n.eps);
  }
}

template <class T, class Grad>
void update(const AdamParams& p, const AdamRates& rates, const AdamSlot& slot) {
  const Numbers<T> numbers(p, rates, slot.l2_gradient);
  T *weight = slot.weight.as<T>(), *m = slot.m.as<T>(), *v = slot.v.as<T>();
  const Grad* grad = slot.grad.as<Grad>();
  bf16* copy = slot.copy.as<bf16>();
  parallel_for(slot.weight.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    update_some(numbers, end - begin, grad + begin, weight + begin, m + begin, v + begin);
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
      for (const AdamSlot& slot : slots)
        dispatch_slot(slot, [&](auto zero, auto grad_zero) {
          const AdamRates rates = p.rates ? p.rates[slot.group] : rates_of(p);
          update<decltype(zero), decltype(grad_zero)>(p, rates, slot);
        });
    },
};

}  // namespace duet
