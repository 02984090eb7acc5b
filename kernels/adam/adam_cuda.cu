#include <cmath>
#include <limits>

#include "kernels/adam/adam.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256, packets_per_thread = 2;

template <class T>
struct Slot {
  T* weight;
  const void* grad;
  T *m, *v;
  bf16* copy;
  std::int64_t count;
  unsigned first_block, group;
  bool grad_is_bf16;
  T l2;
};

/// What all elements have in common.
template <class T>
struct Rule {
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T rate, scale, eps;
};

/// Σ grad² of an update that is to be left out.
__device__ __forceinline__ bool refuses(const double* grad_square) {
  return grad_square && !(*grad_square <= std::numeric_limits<double>::max());
}

template <class T>
constexpr int block_elements = block_threads* packets_per_thread* simt::packet_width<T>;

template <class T>
__device__ __forceinline__ void update(const Rule<T>& rule, T l2, T grad, T& weight, T& m, T& v) {
  const T g = grad + l2 * weight;
  m = rule.beta1 * m + rule.one_minus_beta1 * g;
  v = rule.beta2 * v + rule.one_minus_beta2 * g * g;
  weight -= rule.rate * m / (std::sqrt(v) * rule.scale + rule.eps);
}

/// Of a gradient that is stored as G.
template <class T, class G>
__device__ __forceinline__ void update_packet(const Rule<T>& rule, const Slot<T>& slot, const G* g,
                                              std::int64_t i) {
  constexpr int width = simt::packet_width<T>;
  const auto grad = simt::load<width>(g, i, slot.count);
  auto weight = simt::load<width>(slot.weight, i, slot.count);
  auto m = simt::load<width>(slot.m, i, slot.count), v = simt::load<width>(slot.v, i, slot.count);
#pragma unroll
  for (int j = 0; j < width; ++j)
    update<T>(rule, slot.l2, grad.at[j], weight.at[j], m.at[j], v.at[j]);
  simt::store<width>(slot.weight, i, slot.count, weight);
  simt::store<width>(slot.m, i, slot.count, m);
  simt::store<width>(slot.v, i, slot.count, v);
  if (!slot.copy) return;
  simt::Packet<float, width> rounded;
#pragma unroll
  for (int j = 0; j < width; ++j) rounded.at[j] = static_cast<float>(weight.at[j]);
  simt::store<width>(slot.copy, i, slot.count, rounded);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    step(Rule<T> rule, const AdamRates* rates, const double* grad_square, const Slot<T>* slots,
         int slot_count) {
  constexpr int width = simt::packet_width<T>;
  if (refuses(grad_square)) return;
  const Slot<T> slot = simt::entry_of_block(slots, slot_count);
  if (rates) {
    rule.rate = static_cast<T>(rates[slot.group].rate);
    rule.scale = static_cast<T>(rates[slot.group].scale);
  }
  const std::int64_t begin = std::int64_t{blockIdx.x - slot.first_block} * block_elements<T>;
#pragma unroll
  for (int k = 0; k < packets_per_thread; ++k) {
    const std::int64_t i =
        begin + (k * block_threads + static_cast<int>(threadIdx.x)) * std::int64_t{width};
    if (slot.grad_is_bf16)
      update_packet(rule, slot, static_cast<const bf16*>(slot.grad), i);
    else
      update_packet(rule, slot, static_cast<const T*>(slot.grad), i);
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
    Slot<T> slot{.weight = s.weight.as<T>(),
                 .m = s.m.as<T>(),
                 .v = s.v.as<T>(),
                 .copy = s.copy.as<bf16>(),
                 .count = count,
                 .first_block = blocks,
                 .group = s.group,
                 .grad_is_bf16 = s.grad.dtype == DType::bf16,
                 .l2 = static_cast<T>(s.l2_gradient)};
    if (slot.grad_is_bf16)
      slot.grad = s.grad.as<bf16>();
    else
      slot.grad = s.grad.as<T>();
    table.push_back(slot);
    blocks += simt::blocks_for(count, block_elements<T>);
  }
  if (table.empty()) return;
  const AdamRates rates = rates_of(p);
  const Rule<T> rule{static_cast<T>(p.beta1),    static_cast<T>(1 - p.beta1),
                     static_cast<T>(p.beta2),    static_cast<T>(1 - p.beta2),
                     static_cast<T>(rates.rate), static_cast<T>(rates.scale),
                     static_cast<T>(p.eps)};
  const Slot<T>* on_device = simt::upload(exec, table);
  simt::launch(exec.stream, step<T>, blocks, block_threads, 0, rule, p.rates, p.grad_square,
               on_device, static_cast<int>(table.size()));
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
