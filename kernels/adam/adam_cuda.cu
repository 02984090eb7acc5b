#include <cmath>

#include "kernels/adam/adam.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packets_per_thread = 2;

template <class T>
struct Slot {
  T* weight;
  const T* grad;
  T *m, *v;
  std::int64_t count;
  unsigned first_block;
  T l2;
};

/// What all elements have in common.
template <class T>
struct Rule {
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T rate, scale, eps;
};

template <class T>
constexpr int block_elements = block_threads* packets_per_thread* simt::packet_width<T>;

template <class T>
__device__ __forceinline__ void update(const Rule<T>& rule, T l2, T grad, T& weight, T& m, T& v) {
  const T g = grad + l2 * weight;
  m = rule.beta1 * m + rule.one_minus_beta1 * g;
  v = rule.beta2 * v + rule.one_minus_beta2 * g * g;
  weight -= rule.rate * m / (std::sqrt(v) * rule.scale + rule.eps);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    step(Rule<T> rule, const Slot<T>* slots, int slot_count) {
  constexpr int width = simt::packet_width<T>;
  const Slot<T> slot = simt::entry_of_block(slots, slot_count);
  const std::int64_t begin = std::int64_t{blockIdx.x - slot.first_block} * block_elements<T>;
#pragma unroll
  for (int k = 0; k < packets_per_thread; ++k) {
    const std::int64_t i =
        begin + (k * block_threads + static_cast<int>(threadIdx.x)) * std::int64_t{width};
    const auto grad = simt::load<width>(slot.grad, i, slot.count);
    auto weight = simt::load<width>(slot.weight, i, slot.count);
    auto m = simt::load<width>(slot.m, i, slot.count), v = simt::load<width>(slot.v, i, slot.count);
#pragma unroll
    for (int j = 0; j < width; ++j)
      update(rule, slot.l2, grad.at[j], weight.at[j], m.at[j], v.at[j]);
    simt::store<width>(slot.weight, i, slot.count, weight);
    simt::store<width>(slot.m, i, slot.count, m);
    simt::store<width>(slot.v, i, slot.count, v);
  }
}

/// One launch for all parameters.
template <class T>
void step_all(Exec& exec, const AdamParams& p, std::span<const AdamSlot> slots) {
  std::vector<Slot<T>> table;
  unsigned blocks = 0;
  for (const AdamSlot& s : slots) {
    const std::int64_t count = s.weight.numel();
    if (count == 0) continue;
    const Slot<T> slot{s.weight.as<T>(),
                       s.grad.as<T>(),
                       s.m.as<T>(),
                       s.v.as<T>(),
                       count,
                       blocks,
                       static_cast<T>(s.l2_gradient)};
    table.push_back(slot);
    blocks += simt::blocks_for(count, block_elements<T>);
  }
  if (table.empty()) return;
  const Rule<T> rule{static_cast<T>(p.beta1),
                     static_cast<T>(1 - p.beta1),
                     static_cast<T>(p.beta2),
                     static_cast<T>(1 - p.beta2),
                     static_cast<T>(p.lr / (1 - std::pow(p.beta1, p.step))),
                     static_cast<T>(1 / std::sqrt(1 - std::pow(p.beta2, p.step))),
                     static_cast<T>(p.eps)};
  const Slot<T>* on_device = simt::upload(exec, table);
  simt::launch(exec.stream, step<T>, blocks, block_threads, 0, rule, on_device,
               static_cast<int>(table.size()));
}

}  // namespace

extern const AdamRow adam_cuda = {
    {SIMT_ROW("fused"), RowKind::handwritten, simt::device_type},
    [](const AdamParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const AdamParams& p, std::span<const AdamSlot> slots) {
      if (slots.empty()) return;
      dispatch_floating(slots[0].weight.dtype,
                        [&](auto zero) { step_all<decltype(zero)>(exec, p, slots); });
    },
};

}  // namespace duet
