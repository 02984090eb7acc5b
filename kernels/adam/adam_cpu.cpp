#include <cmath>

#include "kernels/adam/adam.h"
#include "kernels/base/scratch.h"
#include "kernels/gemm/packed_factors.h"

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
void update(const Numbers<T>& numbers, const AdamSlot& slot) {
  T *weight = slot.weight.as<T>(), *m = slot.m.as<T>(), *v = slot.v.as<T>();
  const Grad* grad = slot.grad.as<Grad>();
  bf16* copy = slot.copy.as<bf16>();
  parallel_for(slot.weight.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    update_some(numbers, end - begin, grad + begin, weight + begin, m + begin, v + begin);
    if (!copy) return;
    for (std::int64_t i = begin; i < end; ++i) copy[i] = bf16(static_cast<float>(weight[i]));
  });
}

/// By a gradient that is a product: some of its rows at a time are multiplied and stay in the cache
/// until they are used.
template <class T>
void update_by_factors(Exec& exec, const Numbers<T>& numbers, const AdamSlot& slot) {
  using gemm::tile_cols, gemm::tile_rows;
  const std::int64_t rows = slot.weight.shape[0], columns = slot.weight.shape[1];
  const gemm::PackedFactors<T> product(exec, slot.left.as<T>(), slot.right.as<T>(),
                                       slot.left.shape[0], rows, columns);
  T *weight = slot.weight.as<T>(), *m = slot.m.as<T>(), *v = slot.v.as<T>();
  // Pieces of weights as long as these the processor fetches ahead by itself; their rows of
  // gradients, in different sets of the caches, fit into L2 (385 KiB with AVX-512,
  // else half of that).
  constexpr std::int64_t longest = 32768 / sizeof(T), chunk_rows = 4 * tile_rows;
  const std::int64_t strip =
      std::clamp(gemm::round_up(columns, tile_cols<T>), std::int64_t{tile_cols<T>}, longest);
  const std::int64_t pitch = strip + 64 / sizeof(T);
  const std::int64_t strips = gemm::divide_up(columns, strip);
  const std::int64_t chunks = gemm::divide_up(rows, chunk_rows) * strips;
  ChunkScratch<T> scratch(exec.workspace, tile_rows * pitch, chunks);
  parallel_chunks(chunks, [&](std::int64_t chunk) {
    const auto lease = scratch.take();
    T* grad = lease.get();
    const std::int64_t first = chunk / strips * chunk_rows;
    const std::int64_t last = std::min(rows, first + chunk_rows);
    const std::int64_t begin = chunk % strips * strip, end = std::min(columns, begin + strip);
    for (std::int64_t o = first; o < last; o += tile_rows) {
      for (std::int64_t i = begin; i < end; i += tile_cols<T>)
        product.tile(o, i).store_to([&](int r) { return grad + r * pitch + i - begin; });
      for (std::int64_t r = 0; r < std::min<std::int64_t>(tile_rows, last - o); ++r) {
        const std::int64_t at = (o + r) * columns + begin;
        update_some(numbers, end - begin, grad + r * pitch, weight + at, m + at, v + at);
      }
    }
  });
}

}  // namespace

extern const AdamRow adam_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const AdamParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const AdamParams& p, std::span<const AdamSlot> slots) {
      if (p.grad_square && !std::isfinite(*p.grad_square)) return;
      for (const AdamSlot& slot : slots)
        dispatch_slot(slot, [&](auto zero, auto grad_zero) {
          using T = decltype(zero);
          const Numbers<T> numbers(p, p.rates ? p.rates[slot.group] : rates_of(p),
                                   slot.l2_gradient);
          if (slot.grad)
            update<T, decltype(grad_zero)>(numbers, slot);
          else
            update_by_factors(exec, numbers, slot);
        });
    },
    true,
};

}  // namespace duet
